// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: planted faults.
 */
#include <linux/delay.h>

#include "mali_jm_test.h"

static u64 fired(struct ctx *c, enum mali_jm_fault fault)
{
	return READ_ONCE(c->gm->faults[fault].fired);
}

static void planted_lose_interrupt(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_LOSE_INTERRUPT);
	atomic_t *seen = &c->irqs.seen[MALI_IRQ_JOB];

	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);
	job(c, 0, MALI_JOB_NULL, 0);
	gpu_model_fault_plant(c->gm, MALI_FAULT_LOSE_INTERRUPT, 2, 1, 0);

	run(test, 0, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(seen), 1);
	clear_job_events(c);
	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);

	run(test, 0, 0, job_va(0));
	EXPECT_DONE(test, 0);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 1, "lost");
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_LOSE_INTERRUPT) - before, 1);

	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 2, "the level is still there");
}

static void planted_never_finish(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_NEVER_FINISH);

	write64_job(c, 0, 0, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, -1, 0);
	run(test, 1, 0, job_va(0));
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 0, 0, 0);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_SOFT_STOP);
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_NEVER_FINISH) - before, 1);

	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
}

static void planted_finish_with_status(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_DATA, 1);
	u64 before = fired(c, MALI_FAULT_FINISH_WITH_STATUS);

	gpu_model_fault_plant(c->gm, MALI_FAULT_FINISH_WITH_STATUS, 1, 1, 0x5a);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, 0x5a);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0x5a);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_FINISH_WITH_STATUS) - before, 1);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
}

static void planted_delay_job(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_DELAY_JOB);
	ktime_t begun = ktime_get();

	write64_job(c, 0, 0, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 1, 1, 2000);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_GE(test, ktime_us_delta(ktime_get(), begun), 2000);
	clear_job_events(c);

	/* An hour, which ends when the fault is switched off. */
	write64_job(c, 0, 0, VA_DATA, 2);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 1, -1, 3600000000ull);
	start(c, 1, 0, job_va(0));
	msleep(20);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 0, 0, 0);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_DELAY_JOB) - before, 2);
}

static void planted_corrupt_write(struct kunit *test)
{
	static const u64 want[] = { 0x10, 0x11 ^ 0xf0, 0x12 ^ 0xf0, 0x13 };
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_CORRUPT_WRITE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++)
		write64_job(c, i, i < ARRAY_SIZE(want) - 1 ? job_va(i + 1) : 0, VA_DATA + 8 * i, 0x10 + i);
	gpu_model_fault_plant(c->gm, MALI_FAULT_CORRUPT_WRITE, 2, 2, 0xf0);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], want[i]);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_CORRUPT_WRITE) - before, 2);
	KUNIT_EXPECT_EQ(test, c->gm->faults[MALI_FAULT_CORRUPT_WRITE].nth, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(planted_lose_interrupt),
	KUNIT_CASE(planted_never_finish),
	KUNIT_CASE(planted_finish_with_status),
	KUNIT_CASE(planted_delay_job),
	KUNIT_CASE(planted_corrupt_write),
	{}
};

struct kunit_suite mali_jm_fault_suite = {
	.name = "mali_jm_fault",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
