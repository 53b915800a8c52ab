/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register-level tests of the Job Manager model. No driver takes part: the tests write registers, build page tables in
 * pages of their own and request the interrupts themselves. They run when the module is loaded, and are skipped when a
 * driver is bound to the model's device.
 */
#ifndef MALI_JM_TEST_H
#define MALI_JM_TEST_H

#include "gpu_model_test.h"
#include "mali_jm.h"

#define VA_JOBS		0x40000000ull
#define VA_DATA		0x40001000ull
#define VA_OTHER	0x40002000ull
#define VA_UNMAPPED	0x40003000ull
#define VA_LARGE	0x40200000ull
#define VA_NO_TABLE	0x8000000000ull

#define RW		(MALI_PTE_READ | MALI_PTE_WRITE)
#define POISON		0xeeeeeeeeeeeeeeeeull
#define LOCK_ALL	63
#define LOCK_PAGE	11	/* region of 1 << 12 bytes */

enum { PAGE_JOBS, PAGE_DATA, PAGE_OTHER, PAGE_TABLES, PAGES = PAGE_TABLES + 2 * 4 };

struct ctx {
	struct gpu_model *gm;
	u64 *pages[PAGES];
	struct gpu_model_test_irqs irqs;
};

extern const u32 blocks[3];	/* the interrupt blocks' registers, by enum mali_jm_irq */

u64 *table(struct ctx *c, unsigned int as, unsigned int level);
void map(struct ctx *c, unsigned int as, u64 va, phys_addr_t pa, u64 prot);
void map_page(struct ctx *c, unsigned int as, u64 va, unsigned int page);
void as_command(struct ctx *c, unsigned int as, u32 cmd);
void as_flush(struct ctx *c, unsigned int as, u64 va, unsigned int width);
void as_enable(struct ctx *c, unsigned int as);
u64 job_va(unsigned int i);
struct mali_write_value_job *job(struct ctx *c, unsigned int i, enum mali_job_type type, u64 next);
struct mali_write_value_job *write_job(struct ctx *c, unsigned int i, u64 next, u64 address,
				       enum mali_write_value_kind kind, u64 value);
struct mali_write_value_job *write64_job(struct ctx *c, unsigned int i, u64 next, u64 address, u64 value);
void start(struct ctx *c, unsigned int slot, u32 config, u64 va);
void run(struct kunit *test, unsigned int slot, u32 config, u64 va);
u32 job_events(struct ctx *c);
void clear_job_events(struct ctx *c);
u32 status(struct ctx *c, unsigned int slot);

int ctx_init(struct kunit *test);
void ctx_exit(struct kunit *test);

extern struct kunit_suite mali_jm_gpu_suite;
extern struct kunit_suite mali_jm_mmu_suite;
extern struct kunit_suite mali_jm_js_suite;
extern struct kunit_suite mali_jm_shared_suite;
extern struct kunit_suite mali_jm_fault_suite;

#define EXPECT_DONE(test, slot)									\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), MALI_EXCEPTION_DONE);		\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), JOB_INT_MASK_DONE(slot));		\
} while (0)

#define EXPECT_FAILED(test, slot, why)								\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), why);				\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), JOB_INT_MASK_ERR(slot));		\
} while (0)

#define EXPECT_STALLED(test, slot)								\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), MALI_EXCEPTION_ACTIVE);		\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), 0);					\
} while (0)

#endif
