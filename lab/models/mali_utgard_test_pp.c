// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Mali-400 model: PPs, PMU and L2 cache.
 */
#include "mali_utgard_test.h"

static void each_has_its_own(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int n;

	gpu_model_test_unmask(&c->irqs);
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_NEVER_FINISH, 3, 1, 0);
	for (n = 0; n < UTGARD_MAX_PP; n++) {
		command(c, 1 + n, 0, UTGARD_LIST_WRITE, VA_DATA + 8 * n, 100 + n);
		command(c, 1 + n, 1, UTGARD_LIST_END, 0, 0);
		command(c, 1 + n, 2, UTGARD_LIST_WRITE, VA_OTHER, 1);
		run_pp(test, n);
	}
	for (n = 0; n < UTGARD_MAX_PP; n++) {
		bool hangs = n == 2;

		KUNIT_EXPECT_EQ(test, pp_events(c, n), hangs ? 0 : PP_INT_END_OF_FRAME);
		KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(n) + PP_STATUS), hangs ? PP_STATUS_RENDERING : 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[UTGARD_IRQ_UNITS + 2 * (1 + n)]), hangs ? 0 : 1);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][n], hangs ? POISON : 100 + n);
	}
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_OTHER][0], POISON, "behind the list's end");
}

static void what_is_wrong(struct kunit *test)
{
	struct ctx *c = test->priv;

	command(c, 1, 0, UTGARD_LIST_TAKE, UTGARD_LIST_BLOCK, 1);
	run_pp(test, 0);
	KUNIT_EXPECT_EQ_MSG(test, pp_events(c, 0), PP_INT_INVALID, "only the PLBU has a heap");
	map(c, VA_UNMAPPED, 0xfffff000u, RW);
	command(c, 2, 0, UTGARD_LIST_WRITE, VA_UNMAPPED, 1);
	run_pp(test, 1);
	KUNIT_EXPECT_EQ_MSG(test, pp_events(c, 1), PP_INT_BUS_ERROR, "no memory lies there");
}

static void resets(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_fault_plant(c->gm, UTGARD_FAULT_NEVER_FINISH, 1, 2, 0);
	command(c, 1, 0, UTGARD_LIST_END, 0, 0);
	run_pp(test, 0);
	/* lima writes all ones to RAWSTAT before. */
	wr(c, UTGARD_PP(0) + PP_INT, ~0);
	KUNIT_EXPECT_EQ(test, pp_events(c, 0), ~0u);
	wr(c, UTGARD_PP(0) + PP_CTRL, PP_SOFT_RESET);
	KUNIT_EXPECT_EQ(test, pp_events(c, 0), PP_INT_RESET_DONE);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_STATUS), 0);
	wr(c, UTGARD_PP(0) + PP_INT + GPU_MODEL_IRQ_CLEAR, ~0);

	run_pp(test, 0);
	wr(c, UTGARD_PP(0) + PP_CTRL, PP_STOP_BUS);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_STATUS), PP_STATUS_RENDERING | PP_STATUS_BUS_STOPPED);
	wr(c, UTGARD_PP(0) + PP_CTRL, PP_FORCE_RESET);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_STATUS), 0);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_FRAME), 0);
	wr(c, UTGARD_PP(0) + PP_PERF_CNT_0_LIMIT, 5);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_PERF_CNT_0_LIMIT), 5);
	run_pp(test, 0);
	KUNIT_EXPECT_EQ(test, pp_events(c, 0), PP_INT_END_OF_FRAME);
}

/* Registers are lost with the power, and what is off does not answer. */
static void power(struct kunit *test)
{
	struct ctx *c = test->priv;
	u32 all = c->ut->domains;
	u64 before;

	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_STATUS), 0);
	wr(c, UTGARD_PMU + PMU_INT_CLEAR, ~0);
	wr(c, UTGARD_PP(1) + PP_FRAME, 7);
	wr(c, GP_VSCL_START, 7);
	wr(c, UTGARD_L2 + L2_ENABLE, 3);

	wr(c, UTGARD_PMU + PMU_POWER_DOWN, PMU_PP(1));
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_INT_RAWSTAT), PMU_INT_CMD);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_STATUS), PMU_PP(1));
	before = c->gm->unsupported;
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(1) + PP_VERSION), 0);
	wr(c, UTGARD_MMU(2) + MMU_DTE_ADDR, 0x1000);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 2);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(0) + PP_VERSION), PP_VERSION_OF_MODEL);

	wr(c, UTGARD_PMU + PMU_INT_CLEAR, ~0);
	wr(c, UTGARD_PMU + PMU_POWER_DOWN, all);
	KUNIT_EXPECT_EQ_MSG(test, rd(c, UTGARD_PMU + PMU_INT_RAWSTAT), 0, "nobody is left to say it");
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_LOSE_POWER_UP, 1, 1, 0);
	wr(c, UTGARD_PMU + PMU_POWER_UP, all);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_STATUS), all);
	wr(c, UTGARD_PMU + PMU_POWER_UP, all);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_INT_RAWSTAT), PMU_INT_CMD);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PMU + PMU_STATUS), 0);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_PP(1) + PP_FRAME), 0);
	KUNIT_EXPECT_EQ(test, rd(c, GP_VSCL_START), 0);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_L2 + L2_ENABLE), 0);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_MMU(2) + MMU_DTE_ADDR), 0);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_MMU(0) + MMU_STATUS) & MMU_STATUS_PAGING, 0);
}

static void l2(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = counter(c, UTGARD_L2_FLUSHES);

	wr(c, UTGARD_L2 + L2_COMMAND, L2_CLEAR_ALL);
	KUNIT_EXPECT_EQ(test, rd(c, UTGARD_L2 + L2_STATUS), 0);
	KUNIT_EXPECT_EQ(test, counter(c, UTGARD_L2_FLUSHES) - before, 1);
	KUNIT_EXPECT_GE(test, (rd(c, UTGARD_L2 + L2_SIZE) >> 16) & 0xff, 10);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(each_has_its_own),
	KUNIT_CASE(what_is_wrong),
	KUNIT_CASE(resets),
	KUNIT_CASE(power),
	KUNIT_CASE(l2),
	{}
};

struct kunit_suite mali_utgard_pp_suite = {
	.name = "mali_utgard_pp",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
