/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests of the CSF model's groups and queues. No driver takes part: the tests are the kernel's side of the firmware interface,
 * and build page tables, ring buffers and heaps in pages of their own. They run when the module is loaded, and are skipped when
 * a driver is bound to the model's device.
 *
 * Nothing is timed: settle() waits until the model has nothing left to do before it is woken again, and what has not happened
 * by then will not happen by itself.
 */
#ifndef MALI_CSF_QUEUE_TEST_H
#define MALI_CSF_QUEUE_TEST_H

#include "gpu_model_test.h"
#include "mali_csf.h"
#include "mali_csf_instr.h"

/* The groups' address space; in pages from VA_BASE on */
#define AS			1
#define VA_BASE			0x40000000ull
#define VA_PAGE(n)		(VA_BASE + (u64)(n) * PAGE_SIZE)
#define PAGE_RING(g, q)		(2 * (g) + (q))
#define PAGE_STREAMS		4
#define PAGE_DATA		8
#define PAGE_SYNC		9
#define PAGE_HEAP		10
#define PAGE_TILER		11
#define PAGE_COPIES		12
#define PAGE_CHUNKS		16
#define CHUNK_PAGES		4
#define CHUNKS			12
#define GROUP_PAGES		(PAGE_CHUNKS + CHUNKS * CHUNK_PAGES)
#define VA_UNMAPPED		VA_PAGE(GROUP_PAGES + 1)
#define STREAM_SIZE		512

/* The firmware's, from CSF_SHARED_VA on */
#define MCU_IFACE(g, q)		(8 + 2 * (2 * (g) + (q)))
#define MCU_SUSPEND(g)		(16 + 4 * (g))
#define MCU_PAGES		24

#define VA_DATA			VA_PAGE(PAGE_DATA)
#define POISON			0xeeeeeeeeeeeeeeeeull
#define CHUNK_BYTES		((u64)CHUNK_PAGES * PAGE_SIZE)

/* Registers that the streams use */
#define R_ADDR			0
#define R_VAL			2
#define R_CHUNKS		50
#define R_ZERO			54

struct ctx {
	struct gpu_model *gm;
	void *mcu;
	void *group;
	u64 *tables[2][4];
	u32 used;		/* streams */
	u64 jobs[2][2];		/* submitted */
	u64 expected_unsupported;
};

struct stream {
	struct ctx *c;
	u64 va;
	u64 *words;
	u32 n;
};

u32 *fw(struct ctx *c, u64 va);
u64 *fw64(struct ctx *c, u64 va);
u64 *at(struct ctx *c, u64 va);
u64 fired(struct ctx *c, enum csf_fault fault);

void map(struct ctx *c, unsigned int page, bool mapped);
void ring_group(struct ctx *c, u32 g);
void ring_queue(struct ctx *c, u32 g, u32 q);
void request(struct ctx *c, u32 g, u32 state);
void begin(struct ctx *c, u32 g, u32 state);
void begin_in_slot(struct ctx *c, u32 g, u32 slot, u32 state);
void status_update(struct ctx *c, u32 g);
u32 group_events(struct ctx *c, u32 g);
u32 queue_events(struct ctx *c, u32 g, u32 q);
u32 irqs(struct ctx *c, u32 g);
void see_events(struct ctx *c, u32 g);
void answer(struct ctx *c, u32 g, u32 q, u64 chunk);

struct stream stream(struct ctx *c);
void emit(struct stream *s, u64 instr);
void move64(struct stream *s, u32 reg, u64 val);
void store64(struct stream *s, u64 va, u64 val);
void submit(struct ctx *c, u32 g, u32 q, const struct stream *s);
void run(struct kunit *test, u32 g, u32 q, const struct stream *s);
void begin_and_run(struct kunit *test, const struct stream *s);	/* group 0, in slot 0, queue 0 */
u64 done(struct ctx *c, u32 g, u32 q);

u64 chunk_pointer(unsigned int chunk);
void heap_init(struct ctx *c, unsigned int chunks);
void emit_pass_begin(struct stream *s, u64 seed);
void emit_consume(struct stream *s, u32 bytes);
void emit_copy(struct stream *s, u32 offset, unsigned int to);
void emit_fragment(struct stream *s, bool count);
void emit_pass_end(struct stream *s);
struct stream handler(struct ctx *c);
void emit_handler(struct stream *s, const struct stream *handler);
struct mali_csf_heap_status *heap_status(struct ctx *c);

int ctx_init(struct kunit *test);
void ctx_exit(struct kunit *test);

extern struct kunit_suite mali_csf_stream_suite;
extern struct kunit_suite mali_csf_group_suite;
extern struct kunit_suite mali_csf_heap_suite;
extern struct kunit_suite mali_csf_queue_fault_suite;

/* For what happens in the model's thread while it does not come to rest. */
#define WAIT_FOR(test, condition)								\
do {												\
	unsigned int i_;									\
												\
	for (i_ = 0; i_ < 20000 && !(condition); i_++)						\
		usleep_range(100, 500);								\
	KUNIT_ASSERT_TRUE(test, condition);							\
} while (0)

#define EXPECT_DONE(test, g, q) \
	KUNIT_EXPECT_EQ(test, done((test)->priv, g, q), ((struct ctx *)(test)->priv)->jobs[g][q])

#define EXPECT_FATAL(test, g, q, why)								\
do {												\
	KUNIT_EXPECT_EQ(test, queue_events((test)->priv, g, q) & CS_FATAL, CS_FATAL);		\
	KUNIT_EXPECT_EQ(test, *fw((test)->priv, CSF_CS_OUTPUT(g, q) + CS_FATAL_INFO_TYPE), why);	\
} while (0)

#endif
