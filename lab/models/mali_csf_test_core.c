// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the CSF model: what the tests have in common.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "mali_csf_test.h"

const u32 blocks[3] = {
	[CSF_IRQ_JOB] = JOB_INT,
	[CSF_IRQ_MMU] = MMU_INT,
	[CSF_IRQ_GPU] = GPU_INT,
};

void plant(struct ctx *c, enum csf_fault fault, s64 count, u64 value)
{
	gpu_model_fault_plant(c->gm, fault, count ? 1 : 0, count, value);
}

u32 rawstat(struct ctx *c, enum csf_irq irq)
{
	return rd(c, blocks[irq] + GPU_MODEL_IRQ_RAWSTAT);
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

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_test_find(test, "mali-csf");
	struct ctx *c;
	unsigned int i;

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

	gpu_model_test_request_irqs(test, &c->irqs, gm, blocks);

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
	gpu_model_test_unplant(c->gm);
	wr(c, GPU_CMD, GPU_CMD_RESET | GPU_CMD_RESET_SOFT << 8);
	gpu_model_test_free_irqs(&c->irqs);
	free_pages((unsigned long)c->section, SECTION_ORDER);
	for (i = 0; i < ARRAY_SIZE(c->table); i++)
		free_page((unsigned long)c->table[i]);
	free_page((unsigned long)c->other);
}

kunit_test_suites(&mali_csf_gpu_suite, &mali_csf_mmu_suite, &mali_csf_mcu_suite);

MODULE_DESCRIPTION("Register-level tests of the CSF model");
MODULE_LICENSE("GPL");
