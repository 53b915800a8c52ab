// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Adreno a200 model: what the tests have in common.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "adreno_a2xx_test.h"

void map(struct ctx *c, u32 va, phys_addr_t pa, u32 prot)
{
	c->table[(va - VA_BASE) >> 12] = prot ? (u32)pa | prot : 0;
}

void invalidate(struct ctx *c)
{
	wrx(c, REG_A2XX_MH_MMU_INVALIDATE, A2XX_MH_MMU_INVALIDATE_ALL);
}

/* Behind what is in the ring already; the CP does not know of it yet. */
void put(struct ctx *c, const u32 *words, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		c->pages[PAGE_RING][c->wptr] = words[i];
		c->wptr = (c->wptr + 1) % RING_WORDS;
	}
}

void doorbell(struct kunit *test)
{
	struct ctx *c = test->priv;

	wrx(c, REG_AXXX_CP_RB_WPTR, c->wptr);
	settle(test);
}

/* As a2xx_submit() does it, with the fence at the end of PAGE_OTHER. */
void run_ib1(struct kunit *test, u32 words)
{
	struct ctx *c = test->priv;

	ring(c, PKT3(CP_INDIRECT_BUFFER_PFD, 2), VA_PAGE(PAGE_IB1), words, PKT2);
	ring(c, PKT3(CP_EVENT_WRITE, 3), 4, VA_PAGE(PAGE_OTHER) + 0xffc, 7);
	ring(c, PKT3(CP_INTERRUPT, 1), 0x80000000);
	doorbell(test);
}

static irqreturn_t handler(int irq, void *data)
{
	struct ctx *c = data;

	c->master = rdx(c, REG_A2XX_MASTER_INT_SIGNAL);
	if (!c->master)
		return IRQ_NONE;
	c->cp_status = rdx(c, REG_AXXX_CP_INT_STATUS);
	c->mh_status = rdx(c, REG_A2XX_MH_INTERRUPT_STATUS);
	wrx(c, REG_AXXX_CP_INT_ACK, c->cp_status);
	wrx(c, REG_A2XX_MH_INTERRUPT_CLEAR, c->mh_status);
	atomic_inc(&c->interrupts);
	return IRQ_HANDLED;
}

/* As a2xx_hw_init() does it. */
void reset(struct ctx *c)
{
	wrx(c, REG_AXXX_CP_ME_CNTL, AXXX_CP_ME_CNTL_HALT);
	wrx(c, REG_A2XX_RBBM_SOFT_RESET, ~0);
	wrx(c, REG_A2XX_RBBM_SOFT_RESET, 0);
	wrx(c, REG_A2XX_MH_MMU_CONFIG, A2XX_MH_MMU_CONFIG_MMU_ENABLE);
	wrx(c, REG_A2XX_MH_MMU_VA_RANGE, VA_BASE | 4);
	wrx(c, REG_A2XX_MH_MMU_PT_BASE, virt_to_phys(c->table));
	invalidate(c);
	wrx(c, REG_AXXX_CP_INT_CNTL, ~0);
	wrx(c, REG_A2XX_MH_INTERRUPT_MASK, ~0);
	wrx(c, REG_AXXX_CP_RB_CNTL, 5);
	wrx(c, REG_AXXX_CP_RB_BASE, VA_PAGE(PAGE_RING));
	wrx(c, REG_AXXX_CP_ME_CNTL, 0);
	c->wptr = 0;
}

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_test_find(test, "adreno-a2xx");
	struct ctx *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	c->gm = gm;
	c->ax = to_a2xx(gm);

	for (i = 0; i < PAGES; i++) {
		c->pages[i] = (u32 *)__get_free_page(GFP_KERNEL | GFP_DMA32);
		KUNIT_ASSERT_NOT_NULL(test, c->pages[i]);
		memset32(c->pages[i], POISON, PAGE_SIZE / 4);
	}
	/* As the DMA API does it: only the first page is counted. */
	c->table = (u32 *)__get_free_pages(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO, A2XX_TABLE_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, c->table);
	for (i = 0; i < PAGES; i++)
		map(c, VA_PAGE(i), virt_to_phys(c->pages[i]), RW);

	KUNIT_ASSERT_EQ(test, request_irq(gm->irqs[0].virq, handler, 0, "adreno_a2xx_test", c), 0);
	c->requested = true;
	reset(c);
	return 0;
}

void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	gpu_model_test_unplant(c->gm);
	wrx(c, REG_AXXX_CP_ME_CNTL, AXXX_CP_ME_CNTL_HALT);
	wrx(c, REG_A2XX_RBBM_SOFT_RESET, ~0);
	wrx(c, REG_A2XX_MH_MMU_CONFIG, 0);
	invalidate(c);
	if (c->requested)
		free_irq(c->gm->irqs[0].virq, c);
	free_pages((unsigned long)c->table, A2XX_TABLE_ORDER);
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)c->pages[i]);
}

kunit_test_suites(&adreno_a2xx_cp_suite, &adreno_a2xx_mmu_suite);

MODULE_DESCRIPTION("Register-level tests of the Adreno a200 model");
MODULE_LICENSE("GPL");
