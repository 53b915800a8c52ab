// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Mali-400 model: the GP, its heap, and what can be planted.
 */
#include "mali_utgard_test.h"

static void lists_write(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct utgard_command *first = command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);

	command(c, 0, 1, UTGARD_LIST_COPY, VA_DATA + 16, VA_DATA);
	command(c, 0, 2, UTGARD_LIST_WRITE, VA_DATA + 24, 3);
	run_plbu(test, 2);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][2], 1);
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][3], POISON, "behind the list's end");
	KUNIT_EXPECT_EQ(test, first->op, UTGARD_LIST_WRITE | UTGARD_LIST_DONE);
}

/* VS first; the GP is done when neither is active any more. */
static void both_lists(struct kunit *test)
{
	struct ctx *c = test->priv;

	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	command(c, 0, 1, UTGARD_LIST_COPY, VA_DATA + 8, VA_DATA);
	start_gp(c, 1, 1);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_VS_END | GP_INT_PLBU_END);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 1);
}

static void what_is_no_command(struct kunit *test)
{
	static const struct {
		u32 op, address;
		u64 value;
	} cases[] = {
		{ 0x55, VA_DATA, 0 },
		{ UTGARD_LIST_WRITE, VA_DATA + 4, 0 },
		{ UTGARD_LIST_COPY, VA_DATA, VA_DATA + 4 },
		{ UTGARD_LIST_TAKE, 0, 0 },
		{ UTGARD_LIST_TAKE, 100, 0 },
		{ UTGARD_LIST_TAKE | 4 << 8, UTGARD_LIST_BLOCK, 0 },
	};
	struct ctx *c = test->priv;
	unsigned int i;

	heap(c, VA_HEAP, VA_HEAP + UTGARD_LIST_BLOCK);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		command(c, 0, 0, cases[i].op, cases[i].address, cases[i].value);
		run_plbu(test, 1);
		KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_INVALID);
		wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	}
	start_gp(c, 1, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_VS_INVALID);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

/* Nothing behind the window of the heap is touched, and nothing is lost or done twice when it grows. */
static void heap_grows(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 wanted = counter(c, UTGARD_OUT_OF_MEMORY), grown = counter(c, UTGARD_GROWTHS);
	struct utgard_command *second;
	unsigned int i;

	command(c, 0, 0, UTGARD_LIST_TAKE | 8 << 8, UTGARD_LIST_BLOCK, 7);
	second = command(c, 0, 1, UTGARD_LIST_TAKE | 8 << 8, 3 * UTGARD_LIST_BLOCK, 9);
	heap(c, VA_HEAP, VA_HEAP + 2 * UTGARD_LIST_BLOCK);
	run_plbu(test, 2);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_OUT_OF_MEM);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), GP_STATUS_PLBU);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP + 1][1], 9);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP + 2][1], POISON);
	KUNIT_EXPECT_EQ(test, second->op & UTGARD_LIST_DONE, 0);

	/* Registers alone are no answer, and clearing the event is none. */
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	wr(c, GP_ALLOC_END, VA_HEAP + 4 * UTGARD_LIST_BLOCK);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);

	/* One block only: it asks again. */
	heap(c, VA_HEAP + 2 * UTGARD_LIST_BLOCK, VA_HEAP + 3 * UTGARD_LIST_BLOCK);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_OUT_OF_MEM);
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	heap(c, VA_HEAP + 3 * UTGARD_LIST_BLOCK, VA_HEAP + 4 * UTGARD_LIST_BLOCK);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP][1], 7);
	for (i = 1; i < PAGES_HEAP; i++)
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP + i][1], 9);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_HEAP][0], POISON);
	KUNIT_EXPECT_EQ(test, counter(c, UTGARD_OUT_OF_MEMORY) - wanted, 2);
	KUNIT_EXPECT_EQ(test, counter(c, UTGARD_GROWTHS) - grown, 2);
}

static void soft_reset(struct kunit *test)
{
	struct ctx *c = test->priv;

	command(c, 0, 0, UTGARD_LIST_TAKE, UTGARD_LIST_BLOCK, 7);
	heap(c, VA_HEAP, VA_HEAP);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_OUT_OF_MEM);
	wr(c, GP_CMD, GP_SOFT_RESET);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_OUT_OF_MEM | GP_INT_RESET_DONE);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), 0);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	heap(c, VA_HEAP, VA_HEAP + UTGARD_LIST_BLOCK);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, gp_events(c), 0, "what was reset does not go on");
}

static void hard_reset(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_fault_plant(c->gm, UTGARD_FAULT_NEVER_FINISH, 1, 1, 0);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), GP_STATUS_PLBU);
	wr(c, GP_PERF_CNT_0_LIMIT, 0xc0ffe000);
	wr(c, GP_CMD, GP_STOP_BUS);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), GP_STATUS_PLBU | GP_STATUS_BUS_STOPPED);
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_STUCK_RESET, 1, 1, 0);
	wr(c, GP_CMD, GP_RESET);
	wr(c, GP_PERF_CNT_0_LIMIT, 0xc01a0000);
	KUNIT_EXPECT_EQ(test, rd(c, GP_PERF_CNT_0_LIMIT), 0);
	wr(c, GP_CMD, GP_RESET);
	wr(c, GP_PERF_CNT_0_LIMIT, 0xc01a0000);
	KUNIT_EXPECT_EQ(test, rd(c, GP_PERF_CNT_0_LIMIT), 0xc01a0000);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), 0);
	KUNIT_EXPECT_EQ(test, rd(c, GP_PLBUCL_END), 0);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
}

static void planted(struct kunit *test)
{
	struct ctx *c = test->priv;

	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_CORRUPT_WRITE, 1, 1, 0x10);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 0x11);
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);

	gpu_model_fault_plant(c->gm, UTGARD_FAULT_FINISH_WITH_EVENTS, 1, 1, GP_INT_BUS_ERROR);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 2);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_BUS_ERROR);
	KUNIT_EXPECT_EQ(test, rd(c, GP_STATUS), 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 0x11);
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);

	gpu_model_fault_plant(c->gm, UTGARD_FAULT_DELAY_JOB, 1, 1, 3600 * USEC_PER_SEC);
	start_gp(c, 0, 1);
	usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_DELAY_JOB, 0, 0, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);

	gpu_model_fault_plant(c->gm, UTGARD_FAULT_IGNORE_GROWTH, 1, 1, 0);
	command(c, 0, 0, UTGARD_LIST_TAKE, UTGARD_LIST_BLOCK, 5);
	heap(c, VA_HEAP, VA_HEAP);
	run_plbu(test, 1);
	wr(c, GP_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	heap(c, VA_HEAP, VA_HEAP + UTGARD_LIST_BLOCK);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), 0);
	heap(c, VA_HEAP, VA_HEAP + UTGARD_LIST_BLOCK);
	settle(test);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
}

static void interrupts(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_test_unmask(&c->irqs);
	command(c, 0, 0, UTGARD_LIST_WRITE, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, UTGARD_FAULT_LOSE_INTERRUPT, 1, 1, 0);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[UTGARD_IRQ_UNITS]), 0);
	KUNIT_EXPECT_EQ(test, gp_events(c), GP_INT_PLBU_END);
	run_plbu(test, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[UTGARD_IRQ_UNITS]), 1);
	/* Masked by the handler, still pending. */
	wr(c, GP_INT + GPU_MODEL_IRQ_MASK, ~0);
	settle(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[UTGARD_IRQ_UNITS]), 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(lists_write),
	KUNIT_CASE(both_lists),
	KUNIT_CASE(what_is_no_command),
	KUNIT_CASE(heap_grows),
	KUNIT_CASE(soft_reset),
	KUNIT_CASE(hard_reset),
	KUNIT_CASE(planted),
	KUNIT_CASE(interrupts),
	{}
};

struct kunit_suite mali_utgard_gp_suite = {
	.name = "mali_utgard_gp",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
