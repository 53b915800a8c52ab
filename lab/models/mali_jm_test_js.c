// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: jobs and job slots.
 */
#include "mali_jm_test.h"

static void job_null_and_cache_flush(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *first = job(c, 0, MALI_JOB_NULL, job_va(1));
	struct mali_write_value_job *second = job(c, 1, MALI_JOB_CACHE_FLUSH, 0);

	run(test, 0, 0, job_va(0));
	EXPECT_DONE(test, 0);
	KUNIT_EXPECT_EQ(test, first->header.exception_status, MALI_EXCEPTION_DONE);
	KUNIT_EXPECT_EQ(test, second->header.exception_status, MALI_EXCEPTION_DONE);
}

static void job_write_value(struct kunit *test)
{
	static const struct {
		enum mali_write_value_kind kind;
		u64 want;
	} cases[] = {
		{ MALI_WRITE_ZERO, 0 },
		{ MALI_WRITE_IMMEDIATE_8, 0xeeeeeeeeeeeeee88ull },
		{ MALI_WRITE_IMMEDIATE_16, 0xeeeeeeeeeeee7788ull },
		{ MALI_WRITE_IMMEDIATE_32, 0xeeeeeeee55667788ull },
		{ MALI_WRITE_IMMEDIATE_64, 0x1122334455667788ull },
	};
	struct ctx *c = test->priv;
	u64 before = ktime_get_mono_fast_ns(), writes = counter(c, MALI_WRITES);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		write_job(c, 0, 0, VA_DATA + 8 * i, cases[i].kind, 0x1122334455667788ull);
		run(test, 1, 0, job_va(0));
		EXPECT_DONE(test, 1);
		clear_job_events(c);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], cases[i].want);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i + 1], POISON);
	}
	write_job(c, 0, 0, VA_DATA, MALI_WRITE_SYSTEM_TIMESTAMP, 0);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_GE(test, c->pages[PAGE_DATA][0], before);
	KUNIT_EXPECT_LE(test, c->pages[PAGE_DATA][0], ktime_get_mono_fast_ns());
	KUNIT_EXPECT_EQ(test, counter(c, MALI_WRITES) - writes, ARRAY_SIZE(cases) + 1);
}

static void job_alignment(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_DATA + 4, 1);

	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_MISALIGNED_VALUE);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_MISALIGNED_VALUE);
	KUNIT_EXPECT_EQ(test, j->header.fault_pointer, VA_DATA + 4);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	clear_job_events(c);

	run(test, 1, 0, job_va(0) + 8);
	EXPECT_FAILED(test, 1, MALI_MISALIGNED_JOB);
}

/* More jobs than the model executes at once, on every slot. */
static void job_chain(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int slot, i, n = PAGE_SIZE / MALI_JOB_ALIGN;

	for (slot = 0; slot < MALI_NUM_JS; slot++) {
		struct mali_write_value_job *j;

		for (i = 0; i < n; i++)
			write64_job(c, i, i < n - 1 ? job_va(i + 1) : 0, VA_DATA + 8 * i, 1000 * slot + i);
		run(test, slot, 0, job_va(0));
		EXPECT_DONE(test, slot);
		clear_job_events(c);
		KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(slot, JS_HEAD_LO)), job_va(0));
		KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(slot, JS_TAIL_LO)), job_va(n - 1));
		for (i = 0, j = (void *)c->pages[PAGE_JOBS]; i < n; i++, j = (void *)j + MALI_JOB_ALIGN) {
			KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_EXCEPTION_DONE);
			KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], 1000 * slot + i);
		}
	}
}

static void job_chain_32bit_pointers(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, job_va(1) | 0xbad00000000ull, VA_DATA, 1);

	j->header.control &= ~MALI_JOB_IS_64BIT;
	write64_job(c, 1, 0, VA_DATA + 8, 2);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 2);
}

/* A chain that never ends must leave the registers usable, and can be stopped. */
static void job_chain_endless(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, job_va(0), VA_DATA, 1);
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_ACTIVE);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
}

static void job_dependency(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j;

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, job_va(2), VA_DATA + 8, 2)->header.dependency[0] = 1;
	j = write64_job(c, 2, 0, VA_DATA + 16, 3);
	j->header.dependency[0] = 2;
	j->header.dependency[1] = 1;
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][2], 3);
	clear_job_events(c);

	/* What an earlier chain has done does not count. */
	j = write64_job(c, 0, job_va(1), VA_DATA, POISON);
	j->header.dependency[1] = 2;
	write64_job(c, 1, 0, VA_DATA + 8, POISON);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_UNMET_DEPENDENCY);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 2);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_UNMET_DEPENDENCY);
}

static void job_unsupported(struct kunit *test)
{
	static const enum mali_job_type types[] = {
		MALI_JOB_COMPUTE, MALI_JOB_VERTEX, MALI_JOB_TILER, MALI_JOB_FRAGMENT,
	};
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		u64 before = c->gm->unsupported;
		struct mali_write_value_job *j = job(c, 0, types[i], job_va(1));

		write64_job(c, 1, 0, VA_DATA, 1);
		run(test, 1, 0, job_va(0));
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_JOB_CONFIG_FAULT);
		KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 1);
		KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_EXCEPTION_JOB_CONFIG_FAULT);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
		clear_job_events(c);
	}
}

static void hard_stop(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_UNMAPPED, 1);

	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	KUNIT_EXPECT_EQ_MSG(test, job_events(c), 0, "nothing to stop");
	run(test, 1, 0, job_va(0));
	wr(c, JOB_SLOT(0, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_STALLED(test, 1);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0);
}

static void soft_stop(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, 0, VA_UNMAPPED, 2)->header.dependency[0] = 1;
	run(test, 1, 0, job_va(0));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_SOFT_STOP);
	settle(test);
	EXPECT_STALLED(test, 1);

	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_STOPPED);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_TAIL_LO)), job_va(1));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	clear_job_events(c);

	run(test, 1, 0, rd64(c, JOB_SLOT(1, JS_TAIL_LO)));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 2);
}

static void stop_by_chain_flag(struct kunit *test)
{
	static const struct {
		u32 config;
		u32 others[2];
		u32 hard;
		u32 soft;
	} cases[] = {
		{ 0, { JS_COMMAND_SOFT_STOP_1, JS_COMMAND_HARD_STOP_1 }, JS_COMMAND_HARD_STOP_0, JS_COMMAND_SOFT_STOP_0 },
		{ JS_CONFIG_JOB_CHAIN_FLAG, { JS_COMMAND_SOFT_STOP_0, JS_COMMAND_HARD_STOP_0 },
		  JS_COMMAND_HARD_STOP_1, JS_COMMAND_SOFT_STOP_1 },
	};
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		run(test, 1, cases[i].config, job_va(0));
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].others[0]);
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].others[1]);
		as_flush(c, 0, 0, LOCK_ALL);
		settle(test);
		EXPECT_STALLED(test, 1);
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].hard);
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
		clear_job_events(c);

		run(test, 1, cases[i].config, job_va(0));
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].soft);
		as_flush(c, 0, 0, LOCK_ALL);
		settle(test);
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_STOPPED);
		clear_job_events(c);
	}
}

/* COMMAND_NEXT = START on an idle slot takes effect in the write. */
static void start_is_immediate(struct kunit *test)
{
	struct ctx *c = test->priv;

	job(c, 0, MALI_JOB_NULL, 0);
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, 1, 0);
	start(c, 2, JS_CONFIG_JOB_CHAIN_FLAG, job_va(0));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(2, JS_COMMAND_NEXT)), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(2, JS_HEAD_LO)), job_va(0));
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(2, JS_AFFINITY_LO)), 0xf);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(2, JS_CONFIG)), JS_CONFIG_JOB_CHAIN_FLAG);
	KUNIT_EXPECT_EQ(test, status(c, 2), MALI_EXCEPTION_ACTIVE);
}

static void next_starts_with_done(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	job(c, 1, MALI_JOB_NULL, 0);
	run(test, 1, 0, job_va(0));
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, 1, 0);
	start(c, 1, JS_CONFIG_JOB_CHAIN_FLAG, job_va(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_START);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_HEAD_LO)), job_va(0));

	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	KUNIT_EXPECT_EQ(test, job_events(c), JOB_INT_MASK_DONE(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_HEAD_LO)), job_va(1));
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_ACTIVE);
}

static void next_waits_after_failure(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(1));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	start(c, 1, 0, job_va(1));
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_START);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);

	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
}

static void next_can_be_cancelled(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(1));
	wr(c, JOB_SLOT(1, JS_COMMAND_NEXT), JS_COMMAND_NOP);
	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void js_state_is_sampled(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), 0, "nothing was sampled yet");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_DONE(0));
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), 0, "another slot was sampled");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1) | BIT(17));
	wr(c, JOB_SLOT(1, JS_COMMAND_NEXT), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), BIT(1) | BIT(17), "not sampled again");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_DONE(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1));
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(job_null_and_cache_flush),
	KUNIT_CASE(job_write_value),
	KUNIT_CASE(job_alignment),
	KUNIT_CASE(job_chain),
	KUNIT_CASE(job_chain_32bit_pointers),
	KUNIT_CASE(job_chain_endless),
	KUNIT_CASE(job_dependency),
	KUNIT_CASE(job_unsupported),
	KUNIT_CASE(hard_stop),
	KUNIT_CASE(soft_stop),
	KUNIT_CASE(stop_by_chain_flag),
	KUNIT_CASE(start_is_immediate),
	KUNIT_CASE(next_starts_with_done),
	KUNIT_CASE(next_waits_after_failure),
	KUNIT_CASE(next_can_be_cancelled),
	KUNIT_CASE(js_state_is_sampled),
	{}
};

struct kunit_suite mali_jm_js_suite = {
	.name = "mali_jm_js",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
