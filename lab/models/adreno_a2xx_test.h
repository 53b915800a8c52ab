/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register-level tests of the Adreno a200 model. No driver takes part: the tests write registers, build the page table and
 * the ring in memory of their own and request the interrupt themselves.
 */
#ifndef ADRENO_A2XX_TEST_H
#define ADRENO_A2XX_TEST_H

#include "adreno_a2xx.h"
#include "gpu_model_test.h"

#define VA_BASE		0x01000000u
#define VA_PAGE(n)	(VA_BASE + 0x1000u * (n))
#define VA_UNMAPPED	VA_PAGE(40)
#define VA_END		(VA_BASE + 0x10000u * 4)	/* of four regions of 64 KiB */

#define POISON		0xeeeeeeeeu
#define RW		(A2XX_PTE_READ | A2XX_PTE_WRITE)
#define RING_WORDS	64u				/* BUFSZ 5 */

enum { PAGE_RING, PAGE_IB1, PAGE_IB2, PAGE_DATA, PAGE_OTHER, PAGES };

struct ctx {
	struct gpu_model *gm;
	struct a2xx *ax;
	u32 *pages[PAGES];
	u32 *table;
	u32 wptr;
	bool requested;
	atomic_t interrupts;
	u32 master;		/* and what stood in the status registers at the last of them */
	u32 cp_status;
	u32 mh_status;
};

/* Registers by their index. */
#define rdx(c, reg)		rd(c, (reg) * 4)
#define wrx(c, reg, val)	wr(c, (reg) * 4, val)

#define PKT0(reg, words)	((((words) - 1) << 16) | (reg))
#define PKT2			(2u << 30)
#define PKT3(opcode, words)	((3u << 30) | (((words) - 1) << 16) | ((opcode) << 8))

void map(struct ctx *c, u32 va, phys_addr_t pa, u32 prot);
void invalidate(struct ctx *c);
void put(struct ctx *c, const u32 *words, unsigned int n);
#define ring(c, ...)									\
do {											\
	const u32 words_[] = { __VA_ARGS__ };						\
											\
	put(c, words_, ARRAY_SIZE(words_));						\
} while (0)
#define stream(c, page, ...)								\
do {											\
	const u32 words_[] = { __VA_ARGS__ };						\
											\
	memcpy((c)->pages[page], words_, sizeof(words_));				\
} while (0)
void doorbell(struct kunit *test);
void run_ib1(struct kunit *test, u32 words);
void reset(struct ctx *c);

int ctx_init(struct kunit *test);
void ctx_exit(struct kunit *test);

extern struct kunit_suite adreno_a2xx_cp_suite;
extern struct kunit_suite adreno_a2xx_mmu_suite;

#endif
