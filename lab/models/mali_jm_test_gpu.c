// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: GPU control and interrupts.
 */
#include <linux/delay.h>

#include "mali_jm_test.h"

static void identification(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	KUNIT_EXPECT_EQ(test, rd(c, GPU_ID), 0x08602000);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_L2_FEATURES), 0x07130206);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_TILER_FEATURES), 0x809);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_MMU_FEATURES), 0x2830);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_AS_PRESENT), 0xff);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_JS_PRESENT), 0x7);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_JS_FEATURES(0)), 0x20e);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_JS_FEATURES(1)), 0x1fe);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_JS_FEATURES(2)), 0x1fe);
	KUNIT_EXPECT_EQ(test, rd64(c, GPU_SHADER_PRESENT_LO), 0xf);
	KUNIT_EXPECT_EQ(test, rd64(c, GPU_TILER_PRESENT_LO), 0x1);
	KUNIT_EXPECT_EQ(test, rd64(c, GPU_L2_PRESENT_LO), 0x1);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported, before);
}

static void power(struct kunit *test)
{
	struct ctx *c = test->priv;

	KUNIT_EXPECT_EQ(test, rd64(c, SHADER_READY_LO), 0xf);
	wr(c, SHADER_PWROFF_LO, 0x3);
	KUNIT_EXPECT_EQ(test, rd64(c, SHADER_READY_LO), 0xc);
	wr(c, SHADER_PWRON_LO, ~0);
	KUNIT_EXPECT_EQ(test, rd64(c, SHADER_READY_LO), 0xf);
	wr(c, TILER_PWROFF_LO, 0x1);
	KUNIT_EXPECT_EQ(test, rd64(c, TILER_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0x1);
	wr(c, L2_PWROFF_LO, 0x1);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_PWRTRANS_LO), 0);
	KUNIT_EXPECT_TRUE(test, rd(c, GPU_INT) & GPU_IRQ_POWER_CHANGED_ALL);

	write64_job(c, 0, 0, VA_DATA, 1);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_UNPOWERED);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void cycle_counter(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before;

	KUNIT_EXPECT_EQ(test, rd64(c, GPU_CYCLE_COUNT_LO), 0);
	wr(c, GPU_CMD, GPU_CMD_CYCLE_COUNT_START);
	usleep_range(10, 20);
	wr(c, GPU_CMD, GPU_CMD_CYCLE_COUNT_STOP);
	before = rd64(c, GPU_CYCLE_COUNT_LO);
	KUNIT_EXPECT_GE(test, before, 10 * (MALI_CLOCK_HZ / USEC_PER_SEC));
	KUNIT_EXPECT_EQ(test, rd64(c, GPU_CYCLE_COUNT_LO), before);

	write_job(c, 0, 0, VA_DATA, MALI_WRITE_CYCLE_COUNTER, 0);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], before);
}

/* What panfrost waits for, without the counters: it never sees a value that the model made up. */
static void performance_counters(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	wr(c, GPU_CMD, GPU_CMD_PERFCNT_CLEAR);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_INT), 0);

	wr(c, GPU_PERFCNT_BASE_LO, VA_DATA);
	wr(c, GPU_CMD, GPU_CMD_PERFCNT_SAMPLE);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_INT), GPU_IRQ_PERFCNT_SAMPLE_COMPLETED);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_PERFCNT_BASE_LO), (u32)VA_DATA);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported, before);
}

static void reset(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
	gpu_model_test_unmask(&c->irqs);

	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	settle(test);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		KUNIT_EXPECT_EQ(test, rd(c, blocks[i] + GPU_MODEL_IRQ_RAWSTAT),
				i == MALI_IRQ_GPU ? GPU_IRQ_RESET_COMPLETED : 0);
		KUNIT_EXPECT_EQ(test, rd(c, blocks[i] + GPU_MODEL_IRQ_MASK), 0);
	}
	KUNIT_EXPECT_EQ(test, rd64(c, SHADER_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, TILER_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_TRANSTAB_LO)), 0);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), 0);
	KUNIT_EXPECT_EQ(test, status(c, 1), 0);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_NOP);
	clear_job_events(c);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), 0);
}

static void interrupt_is_level_triggered(struct kunit *test)
{
	struct ctx *c = test->priv;
	atomic_t *seen = &c->irqs.seen[MALI_IRQ_GPU];

	wr(c, GPU_CMD, GPU_CMD_CLEAN_CACHES);
	settle(test);
	KUNIT_EXPECT_TRUE(test, rd(c, GPU_INT) & GPU_IRQ_CLEAN_CACHES_COMPLETED);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 0, "masked events must not interrupt");

	wr(c, GPU_INT + GPU_MODEL_IRQ_MASK, GPU_IRQ_CLEAN_CACHES_COMPLETED);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 1, "an event that stands fires when the mask is set");

	wr(c, GPU_INT + GPU_MODEL_IRQ_MASK, GPU_IRQ_CLEAN_CACHES_COMPLETED);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 2, "and again when it was not cleared");

	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, GPU_IRQ_CLEAN_CACHES_COMPLETED);
	wr(c, GPU_INT + GPU_MODEL_IRQ_MASK, GPU_IRQ_CLEAN_CACHES_COMPLETED);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 2, "but not when it was");

	wr(c, GPU_CMD, GPU_CMD_CLEAN_INV_CACHES);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 3, "a new event fires at once");

	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, (u32)~GPU_IRQ_CLEAN_CACHES_COMPLETED);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_INT), GPU_IRQ_CLEAN_CACHES_COMPLETED);
}

static void interrupt_of_each_block(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_test_unmask(&c->irqs);
	settle(test);
	atomic_set(&c->irqs.seen[MALI_IRQ_GPU], 0);

	job(c, 0, MALI_JOB_NULL, 0);
	run(test, 0, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[MALI_IRQ_JOB]), 1);

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[MALI_IRQ_JOB]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[MALI_IRQ_MMU]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[MALI_IRQ_GPU]), 0);
}

static void registers_unsupported(struct kunit *test)
{
	static const u32 reads[] = { 0x03f0, 0x1100, 0x1000 + GPU_MODEL_IRQ_CLEAR, JOB_SLOT(0, JS_COMMAND), 0x2100,
				     MMU_AS(0, AS_COMMAND), MMU_AS(MALI_NUM_AS, 0), JOB_SLOT(MALI_NUM_JS, 0) };
	static const u32 writes[] = { GPU_ID, SHADER_READY_LO, JOB_INT_JS_STATE, JOB_SLOT(0, JS_STATUS),
				      MMU_INT + GPU_MODEL_IRQ_STAT, MMU_AS(0, AS_FAULTSTATUS) };
	static const u32 commands[] = { GPU_CMD, JOB_SLOT(0, JS_COMMAND), JOB_SLOT(0, JS_COMMAND_NEXT),
					MMU_AS(0, AS_COMMAND) };
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reads); i++)
		KUNIT_EXPECT_EQ(test, rd(c, reads[i]), 0);
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		wr(c, writes[i], 0);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		wr(c, commands[i], 0x99);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported - before,
			ARRAY_SIZE(reads) + ARRAY_SIZE(writes) + ARRAY_SIZE(commands));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(identification),
	KUNIT_CASE(power),
	KUNIT_CASE(cycle_counter),
	KUNIT_CASE(performance_counters),
	KUNIT_CASE(reset),
	KUNIT_CASE(interrupt_is_level_triggered),
	KUNIT_CASE(interrupt_of_each_block),
	KUNIT_CASE(registers_unsupported),
	{}
};

struct kunit_suite mali_jm_gpu_suite = {
	.name = "mali_jm_gpu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
