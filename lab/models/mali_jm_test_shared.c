// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: shared memory and device faults.
 */
#include "mali_jm_test.h"

#define VA_SHARED	(MALI_SHARED_VA + 0x5000)

/* A chain on slot 1 that has touched shared memory and is to write to VA_DATA afterwards. */
static void run_into_device_fault(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, job_va(1), VA_SHARED + 8, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, gpu_model_device_fault(c->gm), VA_SHARED);
	KUNIT_EXPECT_TRUE(test, gpu_model_device_fault_pending());
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void expect_no_device_fault(struct kunit *test)
{
	struct ctx *c = test->priv;

	KUNIT_EXPECT_EQ(test, gpu_model_device_fault(c->gm), 0);
	KUNIT_EXPECT_FALSE(test, gpu_model_device_fault_pending());
	KUNIT_EXPECT_FALSE(test, gpu_model_device_fault_resolve(c->gm, VA_SHARED));
}

static void device_fault_waits_for_its_page(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 raised = counter(c, MALI_DEVICE_FAULTS_RAISED), resolved = counter(c, MALI_DEVICE_FAULTS_RESOLVED);

	expect_no_device_fault(test);
	run_into_device_fault(test);
	KUNIT_EXPECT_FALSE(test, gpu_model_device_fault_resolve(c->gm, 0));
	KUNIT_EXPECT_FALSE(test, gpu_model_device_fault_resolve(c->gm, VA_SHARED + PAGE_SIZE));
	as_flush(c, 0, 0, LOCK_ALL);
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ_MSG(test, rd(c, MMU_INT + GPU_MODEL_IRQ_RAWSTAT), 0, "the driver hears nothing");

	KUNIT_EXPECT_TRUE(test, gpu_model_device_fault_resolve(c->gm, VA_SHARED));
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_DEVICE_FAULTS_RAISED) - raised, 1);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_DEVICE_FAULTS_RESOLVED) - resolved, 1);
	expect_no_device_fault(test);
	clear_job_events(c);

	/* The page served that chain only. */
	c->pages[PAGE_DATA][0] = POISON;
	run_into_device_fault(test);
}

static void device_fault_keeps_the_cores(struct kunit *test)
{
	struct ctx *c = test->priv;

	run_into_device_fault(test);
	write64_job(c, 2, 0, VA_DATA + 8, 3);
	run(test, 0, 0, job_va(2));
	EXPECT_STALLED(test, 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], POISON);

	KUNIT_EXPECT_TRUE(test, gpu_model_device_fault_resolve(c->gm, VA_SHARED));
	settle(test);
	KUNIT_EXPECT_EQ(test, job_events(c), JOB_INT_MASK_DONE(0) | JOB_INT_MASK_DONE(1));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 3);
}

static void start_on_cores(struct ctx *c, unsigned int slot, u64 affinity, u64 va)
{
	wr64(c, JOB_SLOT(slot, JS_HEAD_NEXT_LO), va);
	wr64(c, JOB_SLOT(slot, JS_AFFINITY_NEXT_LO), affinity);
	wr(c, JOB_SLOT(slot, JS_CONFIG_NEXT), 0);
	wr(c, JOB_SLOT(slot, JS_COMMAND_NEXT), JS_COMMAND_START);
}

static void device_fault_leaves_other_cores(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_SHARED, 1);
	start_on_cores(c, 1, BIT(0), job_va(0));
	settle(test);
	job(c, 1, MALI_JOB_NULL, 0);
	start_on_cores(c, 0, BIT(1), job_va(1));
	settle(test);
	EXPECT_DONE(test, 0);
	clear_job_events(c);

	start_on_cores(c, 0, BIT(0) | BIT(1), job_va(1));
	settle(test);
	EXPECT_STALLED(test, 0);
}

static void preempted_job_gives_its_cores(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->faults[MALI_FAULT_PREEMPT_DEVICE_FAULT].fired;

	gpu_model_fault_plant(c->gm, MALI_FAULT_PREEMPT_DEVICE_FAULT, 1, 1, 0);
	run_into_device_fault(test);
	KUNIT_EXPECT_EQ(test, c->gm->faults[MALI_FAULT_PREEMPT_DEVICE_FAULT].fired - before, 1);
	write64_job(c, 2, 0, VA_DATA + 8, 3);
	run(test, 0, 0, job_va(2));
	EXPECT_DONE(test, 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 3);
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_ACTIVE);
	clear_job_events(c);

	/* Its slot it keeps: chains of a slot end in their order. */
	start(c, 1, 0, job_va(2));
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_START);

	KUNIT_EXPECT_TRUE(test, gpu_model_device_fault_resolve(c->gm, VA_SHARED));
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
}

static void stops_in_a_device_fault(struct kunit *test)
{
	struct ctx *c = test->priv;

	run_into_device_fault(test);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_SOFT_STOP);
	settle(test);
	EXPECT_STALLED(test, 1);
	write64_job(c, 2, 0, VA_DATA + 8, 3);
	run(test, 0, 0, job_va(2));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	settle(test);
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_TERMINATED);
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][1], 3, "the cores are free");
	expect_no_device_fault(test);
	clear_job_events(c);

	run_into_device_fault(test);
	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	expect_no_device_fault(test);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(device_fault_waits_for_its_page),
	KUNIT_CASE(device_fault_keeps_the_cores),
	KUNIT_CASE(device_fault_leaves_other_cores),
	KUNIT_CASE(preempted_job_gives_its_cores),
	KUNIT_CASE(stops_in_a_device_fault),
	{}
};

struct kunit_suite mali_jm_shared_suite = {
	.name = "mali_jm_shared",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
