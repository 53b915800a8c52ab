// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Mali-400 model: the MMUs.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/page_ref.h>

#include "mali_utgard_test.h"

static u32 mmu(struct ctx *c, unsigned int unit, u32 reg)
{
	return rd(c, UTGARD_MMU(unit) + reg);
}

static void what_lima_tries(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr(c, UTGARD_MMU(0) + MMU_DTE_ADDR, 0xcafebabe);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_DTE_ADDR), 0xcafeb000);
	mmu_command(c, 0, MMU_HARD_RESET);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_DTE_ADDR), 0);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_STATUS) & MMU_STATUS_PAGING, 0);
	mmu_command(c, 0, MMU_ENABLE_PAGING);
	mmu_command(c, 0, MMU_ENABLE_STALL);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_STATUS) & (MMU_STATUS_PAGING | MMU_STATUS_STALL),
			MMU_STATUS_PAGING | MMU_STATUS_STALL);
	mmu_command(c, 0, MMU_DISABLE_STALL);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_STATUS) & MMU_STATUS_STALL, 0);
}

static void fault_waits_for_its_answer(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = counter(c, UTGARD_FAULTS_RAISED);

	command(c, 0, 0, UTGARD_LIST_WRITE, VA_UNMAPPED + 8, 2);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_UTGARD_INT), MMU_INT_PAGE_FAULT);
	KUNIT_EXPECT_EQ(test, mmu(c, 1, MMU_UTGARD_INT), 0);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_PAGE_FAULT_ADDR), VA_UNMAPPED + 8);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_STATUS) & (MMU_STATUS_FAULT | MMU_STATUS_IS_WRITE),
			MMU_STATUS_FAULT | MMU_STATUS_IS_WRITE);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());

	map_page(c, VA_UNMAPPED, PAGE_OTHER);
	wr(c, UTGARD_MMU(0) + MMU_UTGARD_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	mmu_command(c, 0, MMU_ZAP_CACHE);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, gp_events(c), 0, "no answer yet");
	mmu_command(c, 0, MMU_PAGE_FAULT_DONE);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][1], 2);
	KUNIT_EXPECT_EQ(test, counter(c, UTGARD_FAULTS_RAISED) - before, 1);
}

static void permissions(struct kunit *test)
{
	static const struct {
		u32 va, prot, op;
	} cases[] = {
		{ VA_OTHER, PTE_PRESENT | PTE_READ, UTGARD_LIST_WRITE },
		{ VA_OTHER, PTE_READ | PTE_WRITE, UTGARD_LIST_WRITE },
		{ VA_OTHER, PTE_PRESENT | PTE_WRITE, UTGARD_LIST_COPY },
		{ VA_NO_TABLE, 0, UTGARD_LIST_WRITE },
	};
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool copy = cases[i].op == UTGARD_LIST_COPY;

		mmu_enable(c, 1);
		if (cases[i].prot)
			map(c, cases[i].va, virt_to_phys(c->pages[PAGE_OTHER]), cases[i].prot);
		command(c, 1, 0, cases[i].op, copy ? VA_DATA : cases[i].va, cases[i].va);
		run_pp(test, 0);
		KUNIT_EXPECT_EQ(test, mmu(c, 1, MMU_UTGARD_INT), MMU_INT_PAGE_FAULT);
		KUNIT_EXPECT_EQ(test, mmu(c, 1, MMU_PAGE_FAULT_ADDR), cases[i].va);
		KUNIT_EXPECT_EQ(test, !!(mmu(c, 1, MMU_STATUS) & MMU_STATUS_IS_WRITE), !copy);
		wr(c, UTGARD_PP(0) + PP_CTRL, PP_SOFT_RESET);
	}
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
}

static void translations_stay_until_zapped(struct kunit *test)
{
	struct ctx *c = test->priv;

	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	run_plbu(test, 1);
	map_page(c, VA_DATA, PAGE_OTHER);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 2);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 2, "not zapped: the old page is written to");
	wr(c, UTGARD_MMU(0) + MMU_ZAP_ONE_LINE, VA_OTHER);
	wr(c, UTGARD_MMU(0) + MMU_DTE_ADDR, virt_to_phys(c->pages[PAGE_PD]));
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 3);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 3);
	wr(c, UTGARD_MMU(0) + MMU_ZAP_ONE_LINE, VA_DATA);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 4);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 4);
	map_page(c, VA_DATA, PAGE_DATA);
	mmu_command(c, 0, MMU_ZAP_CACHE);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 5);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 5);
}

/* The driver changes tables while the MMU stalls. */
static void a_stall_holds_the_unit(struct kunit *test)
{
	struct ctx *c = test->priv;

	mmu_command(c, 0, MMU_ENABLE_STALL);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	mmu_command(c, 0, MMU_DISABLE_STALL);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
}

static void what_is_no_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct page *page = virt_to_page(c->pages[PAGE_OTHER]);
	u64 before = c->gm->bad_accesses;

	/* As if it were free, while nobody can get at it. */
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_OTHER, 1);
	start_gp(c, 0, 1);
	while (!READ_ONCE(c->gm->idle))
		cond_resched();
	page_ref_unfreeze(page, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_BUS_ERROR);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), GP_STATUS_BUS_ERROR);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 1);
	wr(c, GP_CMD, GP_RESET);

	/* A table that is free, behind the first page of its allocation. */
	page = virt_to_page(c->tables);
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	mmu_command(c, 0, MMU_ZAP_CACHE);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_HEAP, 1);
	start_gp(c, 0, 1);
	while (!READ_ONCE(c->gm->idle))
		cond_resched();
	page_ref_unfreeze(page, 1);
	KUNIT_EXPECT_EQ(test, mmu(c, 0, MMU_UTGARD_INT), MMU_INT_BUS_ERROR);
	KUNIT_EXPECT_EQ_MSG(test, gp_events(c), 0, "it waits to be reset");
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP][0], POISON);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 2);
}

static void nothing_without_paging(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	mmu_command(c, 1, MMU_HARD_RESET);
	command(c, 1, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	run_pp(test, 0);
	KUNIT_EXPECT_EQ(test, pp_events(c, 0), PP_INT_BUS_ERROR);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(what_lima_tries),
	KUNIT_CASE(fault_waits_for_its_answer),
	KUNIT_CASE(permissions),
	KUNIT_CASE(translations_stay_until_zapped),
	KUNIT_CASE(a_stall_holds_the_unit),
	KUNIT_CASE(what_is_no_memory),
	KUNIT_CASE(nothing_without_paging),
	{}
};

struct kunit_suite mali_utgard_mmu_suite = {
	.name = "mali_utgard_mmu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
