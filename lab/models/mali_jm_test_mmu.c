// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: address spaces, translation, faults, the TLB.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sizes.h>

#include "mali_jm_test.h"

static void fault_stalls_until_answered(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 raised = counter(c, MALI_FAULTS_RAISED), resolved = counter(c, MALI_FAULTS_RESOLVED);

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, 0, VA_UNMAPPED + 0x18, 2);
	run(test, 1, 2, job_va(0));
	as_enable(c, 2);
	settle(test);
	/* Address space 2 was not enabled at first. */
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	clear_job_events(c);

	run(test, 1, 2, job_va(0));
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(2));
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(2, AS_FAULTSTATUS)),
			MALI_EXCEPTION_TRANSLATION_FAULT(3) | MALI_WRITE << 8 | 1 << 16);
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(2, AS_FAULTADDRESS_LO)), VA_UNMAPPED + 0x18);

	/* Neither clearing the event nor an answer on another address space is an answer. */
	wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	map_page(c, 2, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, 0, LOCK_ALL);
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());

	as_flush(c, 2, VA_UNMAPPED, LOCK_PAGE);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][3], 2);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_FAULTS_RAISED) - raised, 1);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_FAULTS_RESOLVED) - resolved, 1);
}

/* An answer that mends nothing brings the same fault again. */
static void fault_again(struct kunit *test)
{
	static const u32 answers[] = { AS_COMMAND_UNLOCK, AS_COMMAND_FLUSH_PT, AS_COMMAND_FLUSH_MEM, AS_COMMAND_UPDATE };
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 2);
	start(c, 1, 0, job_va(0));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		settle(test);
		EXPECT_STALLED(test, 1);
		KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(0));
		wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, BIT(0));
		as_command(c, 0, answers[i]);
	}
}

static void fault_status(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct {
		u64 va;
		u32 exception;
	} cases[] = {
		{ 1ull << 48, MALI_EXCEPTION_TRANSLATION_FAULT(0) },
		{ VA_NO_TABLE, MALI_EXCEPTION_TRANSLATION_FAULT(0) },
		{ VA_JOBS + SZ_1G, MALI_EXCEPTION_TRANSLATION_FAULT(1) },
		{ VA_LARGE, MALI_EXCEPTION_TRANSLATION_FAULT(2) },
		{ VA_UNMAPPED, MALI_EXCEPTION_TRANSLATION_FAULT(3) },
		{ VA_OTHER, MALI_EXCEPTION_PERM_FAULT(3) },
	};
	unsigned int i;

	map(c, 0, VA_OTHER, virt_to_phys(c->pages[PAGE_OTHER]), MALI_PTE_READ);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		write64_job(c, 0, 0, cases[i].va, 1);
		run(test, 0, 0, job_va(0));
		KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), cases[i].exception | MALI_WRITE << 8);
		KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), cases[i].va);
		wr(c, JOB_SLOT(0, JS_COMMAND), JS_COMMAND_HARD_STOP);
		as_flush(c, 0, 0, LOCK_ALL);
		clear_job_events(c);
	}

	run(test, 0, 0, VA_UNMAPPED);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), MALI_EXCEPTION_TRANSLATION_FAULT(3) | MALI_READ << 8);
}

static void fault_ends_with_disabled_address_space(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, job_va(1), VA_UNMAPPED, 1);

	write64_job(c, 1, 0, VA_DATA, 1);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
	/* The table is still there, but is no longer to be used. */
	wr64(c, MMU_AS(0, AS_TRANSTAB_LO), virt_to_phys(table(c, 0, 0)) | AS_TRANSTAB_ADRMODE_UNMAPPED);
	settle(test);
	EXPECT_STALLED(test, 1);
	as_command(c, 0, AS_COMMAND_UPDATE);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void large_page(struct kunit *test)
{
	struct ctx *c = test->priv;
	phys_addr_t pa = virt_to_phys(c->pages[PAGE_DATA]);

	table(c, 0, 2)[(VA_LARGE >> 21) & 511] = ALIGN_DOWN(pa, SZ_2M) | RW | MALI_PTE_TYPE_LEAF;
	write64_job(c, 0, 0, VA_LARGE + (pa & (SZ_2M - 1)) + 8, 7);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 7);
}

static void address_spaces(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int as;

	as_enable(c, 7);
	map_page(c, 7, VA_DATA, PAGE_OTHER);

	for (as = 0; as < 8; as += 7) {
		write64_job(c, 0, 0, VA_DATA, 100 + as);
		run(test, 1, as, job_va(0));
		EXPECT_DONE(test, 1);
		clear_job_events(c);
	}
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 100);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 107);
}

/* Two slots fault in one address space: the second fault is raised when the first has been answered. */
static void faults_of_two_slots(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_UNMAPPED + SZ_4K, 2);
	run(test, 1, 0, job_va(0));
	run(test, 2, 0, job_va(1));
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), VA_UNMAPPED);
	wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	map_page(c, 0, VA_UNMAPPED, PAGE_DATA);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(0));
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), VA_UNMAPPED + SZ_4K);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)) >> 16, 2);
}

static void tlb_is_stale_until_flushed(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_DATA, 1);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);

	map_page(c, 0, VA_DATA, PAGE_OTHER);
	write64_job(c, 0, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 2, "not flushed: the old page is written");

	as_flush(c, 0, VA_OTHER, LOCK_PAGE);
	as_flush(c, 1, 0, LOCK_ALL);
	write64_job(c, 0, 0, VA_DATA, 3);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 3, "flushed elsewhere: the old page is written");
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);

	as_flush(c, 0, VA_DATA, LOCK_PAGE);
	write64_job(c, 0, 0, VA_DATA, 4);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_OTHER][0], 4, "flushed: the new page is written");

	map(c, 0, VA_DATA, 0, 0);
	as_command(c, 0, AS_COMMAND_UPDATE);
	write64_job(c, 0, 0, VA_DATA, 5);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
}

static void locked_region_waits(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr64(c, MMU_AS(0, AS_LOCKADDR_LO), VA_DATA | LOCK_PAGE);
	as_command(c, 0, AS_COMMAND_LOCK);
	write64_job(c, 0, job_va(1), VA_OTHER, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 1);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), 0);
	as_command(c, 0, AS_COMMAND_UNLOCK);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
}

static void access_to_what_is_no_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct page *page = virt_to_page(c->pages[PAGE_OTHER]);
	struct mali_write_value_job *j;
	u64 before = c->gm->bad_accesses;

	map(c, 0, VA_UNMAPPED, 0x7e00000000ull, RW);
	j = write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.fault_pointer, VA_UNMAPPED);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 1);
	clear_job_events(c);

	/* As if it were free, while nobody can get at it. */
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	write64_job(c, 0, 0, VA_OTHER, 1);
	start(c, 1, 0, job_va(0));
	while (!READ_ONCE(c->gm->idle))
		cond_resched();
	page_ref_unfreeze(page, 1);
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(fault_stalls_until_answered),
	KUNIT_CASE(fault_again),
	KUNIT_CASE(fault_status),
	KUNIT_CASE(fault_ends_with_disabled_address_space),
	KUNIT_CASE(large_page),
	KUNIT_CASE(address_spaces),
	KUNIT_CASE(faults_of_two_slots),
	KUNIT_CASE(tlb_is_stale_until_flushed),
	KUNIT_CASE(locked_region_waits),
	KUNIT_CASE(access_to_what_is_no_memory),
	{}
};

struct kunit_suite mali_jm_mmu_suite = {
	.name = "mali_jm_mmu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
