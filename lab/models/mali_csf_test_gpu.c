// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the CSF model: GPU control.
 */
#include "mali_csf_test.h"

#define RESET		(GPU_CMD_RESET | GPU_CMD_RESET_SOFT << 8)
#define FLUSH		(GPU_CMD_FLUSH_CACHES | 0x233 << 8)

static void identification(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 unsupported = c->gm->unsupported;

	KUNIT_EXPECT_EQ(test, rd(c, GPU_ID) >> 24, 0xa8);	/* what the firmware's path is made from */
	KUNIT_EXPECT_EQ(test, rd(c, GPU_MMU_FEATURES), 0x2830);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_L2_FEATURES) & 0xff, 6);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_AS_PRESENT) & 3, 3);
	KUNIT_EXPECT_EQ(test, rd64(c, GPU_L2_PRESENT_LO), 1);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported, unsupported);
}

static void reset_clears_and_keeps_masks(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 resets = counter(c, CSF_RESETS);

	boot(c);
	wr(c, GPU_INT + GPU_MODEL_IRQ_MASK, GPU_IRQ_RESET_COMPLETED);
	wr(c, MMU_INT + GPU_MODEL_IRQ_MASK, 0x7f);
	wr(c, GPU_CMD, RESET);
	settle(test);

	KUNIT_EXPECT_EQ(test, counter(c, CSF_RESETS), resets + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_GPU]), 1);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), GPU_IRQ_RESET_COMPLETED);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), 0);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT + GPU_MODEL_IRQ_MASK), 0x7f);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_DISABLED);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_TRANSTAB_LO)), 0);
}

static void l2_power(struct kunit *test)
{
	struct ctx *c = test->priv;

	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 1);
	wr(c, L2_PWROFF_LO, 1);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_PWRTRANS_LO), 0);

	plant(c, CSF_FAULT_STICK_L2, 1, 0);
	wr(c, L2_PWRON_LO, 1);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);
	wr(c, L2_PWRON_LO, ~0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 1);
}

static void flush_reports(struct kunit *test)
{
	struct ctx *c = test->priv;
	u32 id = rd(c, CSF_GPU_LATEST_FLUSH_ID);

	wr(c, GPU_CMD, FLUSH);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), GPU_IRQ_CLEAN_CACHES_COMPLETED);
	KUNIT_EXPECT_EQ(test, rd(c, CSF_GPU_LATEST_FLUSH_ID), (id + 1) & 0xffffff);
}

static void lost_events(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_test_unmask(&c->irqs);
	plant(c, CSF_FAULT_LOSE_FLUSH, 1, 0);
	wr(c, GPU_CMD, FLUSH);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), 0);

	plant(c, CSF_FAULT_LOSE_FLUSH, 1, 1);
	wr(c, GPU_CMD, FLUSH);
	settle(test);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), GPU_IRQ_CLEAN_CACHES_COMPLETED);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_GPU]), 0);

	plant(c, CSF_FAULT_LOSE_RESET, 1, 0);
	wr(c, GPU_CMD, RESET);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), 0);
	KUNIT_EXPECT_EQ(test, rd64(c, L2_READY_LO), 0);

	wr(c, GPU_CMD, FLUSH);
	settle(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_GPU]), 1);
}

static void gpu_fault(struct kunit *test)
{
	struct ctx *c = test->priv;

	plant(c, CSF_FAULT_GPU, 1, 0x88);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_GPU), GPU_IRQ_FAULT);
	KUNIT_EXPECT_EQ(test, rd(c, GPU_FAULT_STATUS), 0x88);
}

static void unknown_is_counted(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	rd(c, 0xffc);
	wr(c, GPU_CMD, 0xff);
	wr(c, CSF_DOORBELL(0xff), 1);	/* panthor's number for "no doorbell" */
	rd(c, JOB_INT + 0x10);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported, before + 4);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(identification),
	KUNIT_CASE(reset_clears_and_keeps_masks),
	KUNIT_CASE(l2_power),
	KUNIT_CASE(flush_reports),
	KUNIT_CASE(lost_events),
	KUNIT_CASE(gpu_fault),
	KUNIT_CASE(unknown_is_counted),
	{}
};

struct kunit_suite mali_csf_gpu_suite = {
	.name = "mali_csf_gpu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
