/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the register-level tests of all models share. Nothing in them is timed: gpu_model_test_settle() waits until the
 * model has nothing left to do before it is woken again, and what has not happened by then will not happen by itself.
 */
#ifndef GPU_MODEL_TEST_H
#define GPU_MODEL_TEST_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/interrupt.h>

#include "gpu_model.h"

static inline void gpu_model_test_settle(struct kunit *test, struct gpu_model *gm)
{
	unsigned int i;

	for (i = 0; i < 20000 && !READ_ONCE(gm->idle); i++)
		usleep_range(100, 500);
	KUNIT_ASSERT_TRUE_MSG(test, READ_ONCE(gm->idle), "the model did not come to rest");
	for (i = 0; i < gpu_model_count(gm->desc->irqs); i++)
		irq_work_sync(&gm->irqs[i].deliver);
}

/* The model, for a test that is the only one to use it. */
static inline struct gpu_model *gpu_model_test_find(struct kunit *test, const char *name)
{
	struct gpu_model *gm = gpu_model_find(name);

	if (!gm || gm->pdev->dev.driver)
		kunit_skip(test, "needs the model, with no driver bound to it");
	return gm;
}

static inline void gpu_model_test_unplant(struct gpu_model *gm)
{
	unsigned int i;

	for (i = 0; gm->desc->faults[i]; i++)
		gpu_model_fault_plant(gm, i, 0, 0, 0);
}

/* Short names for what tests do all the time; C is a test's context, struct ctx, with the model as its member gm. */
#define rd(c, reg)		gpu_model_readl((c)->gm->window + (reg))
#define wr(c, reg, val)		gpu_model_writel(val, (c)->gm->window + (reg))
#define rd64(c, reg)		(rd(c, reg) | (u64)rd(c, (reg) + 4) << 32)
#define wr64(c, reg, val)									\
do {												\
	u64 val_ = (val);									\
												\
	wr(c, reg, lower_32_bits(val_));							\
	wr(c, (reg) + 4, upper_32_bits(val_));							\
} while (0)
#define counter(c, n)		READ_ONCE((c)->gm->counters[n])
#define settle(test)		gpu_model_test_settle(test, ((struct ctx *)(test)->priv)->gm)

/* A test's interrupts. */
struct gpu_model_test_irqs {
	struct gpu_model *gm;
	const u32 *blocks;		/* the interrupt blocks' registers */
	atomic_t seen[GPU_MODEL_MAX_IRQS];
	unsigned int requested;
};

/* As the driver's hard handlers do: the line falls until the mask is written again. */
static inline irqreturn_t gpu_model_test_handler(int irq, void *data)
{
	struct gpu_model_test_irqs *irqs = data;
	unsigned int i = irq - irqs->gm->irqs[0].virq;

	if (!rd(irqs, irqs->blocks[i] + GPU_MODEL_IRQ_STAT))
		return IRQ_NONE;
	wr(irqs, irqs->blocks[i] + GPU_MODEL_IRQ_MASK, 0);
	atomic_inc(&irqs->seen[i]);
	return IRQ_HANDLED;
}

/* All masked. gpu_model_test_free_irqs() is right after a failure as well. */
static inline void gpu_model_test_request_irqs(struct kunit *test, struct gpu_model_test_irqs *irqs, struct gpu_model *gm,
					       const u32 *blocks)
{
	unsigned int i;

	irqs->gm = gm;
	irqs->blocks = blocks;
	for (i = 0; i < gpu_model_count(gm->desc->irqs); i++) {
		KUNIT_ASSERT_EQ(test, request_irq(gm->irqs[i].virq, gpu_model_test_handler, 0, "gpu_model_test", irqs), 0);
		irqs->requested++;
		wr(irqs, blocks[i] + GPU_MODEL_IRQ_MASK, 0);
	}
}

static inline void gpu_model_test_free_irqs(struct gpu_model_test_irqs *irqs)
{
	unsigned int i;

	for (i = 0; i < irqs->requested; i++)
		free_irq(irqs->gm->irqs[i].virq, irqs);
}

static inline void gpu_model_test_unmask(const struct gpu_model_test_irqs *irqs)
{
	unsigned int i;

	for (i = 0; i < irqs->requested; i++)
		wr(irqs, irqs->blocks[i] + GPU_MODEL_IRQ_MASK, ~0);
}

#endif
