// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the CSF model: what the tests have in common.
 */
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "mali_csf_test.h"

const u32 blocks[3] = {
	[CSF_IRQ_JOB] = JOB_INT,
	[CSF_IRQ_MMU] = MMU_INT,
	[CSF_IRQ_GPU] = GPU_INT,
};

u32 rd(struct ctx *c, u32 reg)
{
	return gpu_model_readl(c->gm->window + reg);
}

void wr(struct ctx *c, u32 reg, u32 val)
{
	gpu_model_writel(val, c->gm->window + reg);
}

u64 rd64(struct ctx *c, u32 reg)
{
	return rd(c, reg) | (u64)rd(c, reg + 4) << 32;
}

void wr64(struct ctx *c, u32 reg, u64 val)
{
	wr(c, reg, lower_32_bits(val));
	wr(c, reg + 4, upper_32_bits(val));
}

void settle(struct kunit *test)
{
	gpu_model_test_settle(test, ((struct ctx *)test->priv)->gm);
}

u64 counter(struct ctx *c, enum csf_counter n)
{
	return READ_ONCE(c->gm->counters[n]);
}

void plant(struct ctx *c, enum csf_fault fault, s64 count, u64 value)
{
	gpu_model_fault_plant(c->gm, fault, count ? 1 : 0, count, value);
}

u32 rawstat(struct ctx *c, enum csf_irq irq)
{
	return rd(c, blocks[irq] + GPU_MODEL_IRQ_RAWSTAT);
}

void unmask(struct ctx *c)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		wr(c, blocks[i] + GPU_MODEL_IRQ_MASK, ~0);
}

u32 *field(struct ctx *c, u64 va)
{
	return c->section + (va - CSF_SHARED_VA);
}

u64 *pte(struct ctx *c, u64 va)
{
	return &c->table[3][(va >> 12) & 511];
}

void as_flush(struct ctx *c, u64 va, unsigned int width)
{
	wr64(c, MMU_AS(0, AS_LOCKADDR_LO), va | width);
	wr(c, MMU_AS(0, AS_COMMAND), AS_COMMAND_LOCK);
	wr(c, MMU_AS(0, AS_COMMAND), AS_COMMAND_FLUSH_PT);
}

/* As panthor_mmu_as_enable(), with the shared section mapped by pages. */
void as_enable(struct ctx *c)
{
	unsigned int level, i;

	for (level = 0; level < 4; level++)
		memset(c->table[level], 0, PAGE_SIZE);
	for (level = 0; level < 3; level++)
		c->table[level][((u64)CSF_SHARED_VA >> (39 - 9 * level)) & 511] =
			virt_to_phys(c->table[level + 1]) | CSF_PTE_TYPE_TABLE;
	for (i = 0; i < CSF_SHARED_SIZE; i += PAGE_SIZE)
		*pte(c, CSF_SHARED_VA + i) = (virt_to_phys(c->section) + i) | PAGE_BITS;

	as_flush(c, 0, LOCK_ALL);
	wr64(c, MMU_AS(0, AS_TRANSTAB_LO), virt_to_phys(c->table[0]));
	wr64(c, MMU_AS(0, AS_TRANSCFG_LO), AS_TRANSCFG_MODE_AARCH64_4K | 7 << 6);
	wr(c, MMU_AS(0, AS_COMMAND), AS_COMMAND_UPDATE);
}

void boot(struct ctx *c)
{
	wr(c, MCU_CONTROL, MCU_CONTROL_AUTO);
}

void ring(struct ctx *c)
{
	wr(c, CSF_DOORBELL(CSF_GLB_DOORBELL_ID), 1);
}

u32 pending(struct ctx *c)
{
	return *field(c, CSF_GLB_INPUT + GLB_REQ) ^ *field(c, CSF_GLB_OUTPUT + GLB_ACK);
}

void request(struct ctx *c, u32 toggle)
{
	*field(c, CSF_GLB_INPUT + GLB_REQ) = *field(c, CSF_GLB_OUTPUT + GLB_ACK) ^ toggle;
	ring(c);
}

/* As the driver's hard handlers do: the line falls until the mask is written again. */
static irqreturn_t handler(int irq, void *data)
{
	struct ctx *c = data;
	unsigned int i = irq - c->gm->irqs[0].virq;

	if (!rd(c, blocks[i] + GPU_MODEL_IRQ_STAT))
		return IRQ_NONE;
	wr(c, blocks[i] + GPU_MODEL_IRQ_MASK, 0);
	atomic_inc(&c->irqs[i]);
	return IRQ_HANDLED;
}

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_find("mali-csf");
	struct ctx *c;
	unsigned int i;

	if (!gm || gm->pdev->dev.driver)
		kunit_skip(test, "needs the model, with no driver bound to it");

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	c->gm = gm;

	c->section = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, SECTION_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, c->section);
	for (i = 0; i < ARRAY_SIZE(c->table); i++) {
		c->table[i] = (u64 *)get_zeroed_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, c->table[i]);
	}
	c->other = (void *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c->other);

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		KUNIT_ASSERT_EQ(test, request_irq(gm->irqs[i].virq, handler, 0, "mali_csf_test", c), 0);
		c->requested++;
		wr(c, blocks[i] + GPU_MODEL_IRQ_MASK, 0);
	}

	wr(c, GPU_CMD, GPU_CMD_RESET | GPU_CMD_RESET_SOFT << 8);
	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	wr(c, L2_PWRON_LO, 1);
	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	as_enable(c);
	return 0;
}

void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	for (i = 0; c->gm->desc->faults[i]; i++)
		gpu_model_fault_plant(c->gm, i, 0, 0, 0);
	wr(c, GPU_CMD, GPU_CMD_RESET | GPU_CMD_RESET_SOFT << 8);
	for (i = 0; i < c->requested; i++)
		free_irq(c->gm->irqs[i].virq, c);
	free_pages((unsigned long)c->section, SECTION_ORDER);
	for (i = 0; i < ARRAY_SIZE(c->table); i++)
		free_page((unsigned long)c->table[i]);
	free_page((unsigned long)c->other);
}

kunit_test_suites(&mali_csf_gpu_suite, &mali_csf_mmu_suite, &mali_csf_mcu_suite);

MODULE_DESCRIPTION("Register-level tests of the CSF model");
MODULE_LICENSE("GPL");
