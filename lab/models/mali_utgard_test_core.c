// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Mali-400 model: what the tests have in common.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "mali_utgard_test.h"

/* The mask is the third register of each; the PMU has its own order, and no interrupt in these tests. */
const u32 blocks[UTGARD_IRQS] = {
	UTGARD_PMU + PMU_INT_MASK - GPU_MODEL_IRQ_MASK,
	UTGARD_GP + GP_INT, UTGARD_MMU(0) + MMU_UTGARD_INT,
	UTGARD_PP(0) + PP_INT, UTGARD_MMU(1) + MMU_UTGARD_INT,
	UTGARD_PP(1) + PP_INT, UTGARD_MMU(2) + MMU_UTGARD_INT,
	UTGARD_PP(2) + PP_INT, UTGARD_MMU(3) + MMU_UTGARD_INT,
	UTGARD_PP(3) + PP_INT, UTGARD_MMU(4) + MMU_UTGARD_INT,
};

void map(struct ctx *c, u32 va, phys_addr_t pa, u32 prot)
{
	c->tables[va >> 12] = prot ? (u32)pa | prot : 0;
}

void map_page(struct ctx *c, u32 va, unsigned int page)
{
	map(c, va, virt_to_phys(c->pages[page]), RW);
}

void mmu_command(struct ctx *c, unsigned int unit, u32 command)
{
	wr(c, UTGARD_MMU(unit) + MMU_COMMAND, command);
}

void mmu_enable(struct ctx *c, unsigned int unit)
{
	mmu_command(c, unit, MMU_HARD_RESET);
	wr(c, UTGARD_MMU(unit) + MMU_DTE_ADDR, virt_to_phys(c->pages[PAGE_PD]));
	mmu_command(c, unit, MMU_ENABLE_PAGING);
}

struct utgard_command *command(struct ctx *c, unsigned int unit, unsigned int i, u32 op, u32 address, u64 value)
{
	struct utgard_command *to = (struct utgard_command *)c->pages[PAGE_LIST + unit] + i;

	*to = (struct utgard_command){ op, address, value };
	return to;
}

/* VS: the first commands of the GP's list; PLBU: those behind them. */
void start_gp(struct ctx *c, unsigned int vs, unsigned int plbu)
{
	u32 middle = VA_LIST + vs * sizeof(struct utgard_command);

	wr(c, GP_VSCL_START, VA_LIST);
	wr(c, GP_VSCL_END, middle);
	wr(c, GP_PLBUCL_START, middle);
	wr(c, GP_PLBUCL_END, middle + plbu * sizeof(struct utgard_command));
	wr(c, GP_CMD, (vs ? GP_START_VS : 0) | (plbu ? GP_START_PLBU : 0));
}

void run_plbu(struct kunit *test, unsigned int commands)
{
	start_gp(test->priv, 0, commands);
	settle(test);
}

void heap(struct ctx *c, u32 start, u32 end)
{
	wr(c, GP_ALLOC_START, start);
	wr(c, GP_ALLOC_END, end);
	wr(c, GP_CMD, GP_UPDATE_ALLOC);
}

void run_pp(struct kunit *test, unsigned int n)
{
	struct ctx *c = test->priv;

	wr(c, UTGARD_PP(n) + PP_FRAME, VA_LIST_PP(n));
	wr(c, UTGARD_PP(n) + PP_CTRL, PP_START_RENDERING);
	settle(test);
}

u32 gp_events(struct ctx *c)
{
	return rd(c, GP_INT);
}

u32 pp_events(struct ctx *c, unsigned int n)
{
	return rd(c, UTGARD_PP(n) + PP_INT);
}

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_test_find(test, "mali-utgard");
	struct ctx *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	c->gm = gm;
	c->ut = to_utgard(gm);
	KUNIT_ASSERT_EQ(test, c->ut->num_pp, UTGARD_MAX_PP);

	for (i = 0; i < PAGES; i++) {
		c->pages[i] = (u64 *)__get_free_page(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, c->pages[i]);
	}
	/* As the DMA API does it: only the first page is counted. */
	c->tables = (u32 *)__get_free_pages(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO, UTGARD_TABLE_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, c->tables);
	for (i = 0; i < 1 << UTGARD_TABLE_ORDER; i++)
		((u32 *)c->pages[PAGE_PD])[i] = (virt_to_phys(c->tables) + i * PAGE_SIZE) | PTE_PRESENT;
	for (i = PAGE_DATA; i < PAGE_PD; i++)
		memset64(c->pages[i], POISON, PAGE_SIZE / 8);
	for (i = 0; i < UTGARD_UNITS; i++)
		map_page(c, VA_LIST + i * 0x1000, PAGE_LIST + i);
	map_page(c, VA_DATA, PAGE_DATA);
	map_page(c, VA_OTHER, PAGE_OTHER);
	for (i = 0; i < PAGES_HEAP; i++)
		map_page(c, VA_HEAP + i * 0x1000, PAGE_HEAP + i);

	wr(c, UTGARD_PMU + PMU_POWER_UP, ~0);
	gpu_model_test_request_irqs(test, &c->irqs, gm, blocks);
	for (i = 0; i < UTGARD_UNITS; i++)
		mmu_enable(c, i);
	return 0;
}

void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	gpu_model_test_unplant(c->gm);
	wr(c, UTGARD_PMU + PMU_POWER_DOWN, ~0);
	wr(c, UTGARD_PMU + PMU_INT_CLEAR, ~0);
	gpu_model_test_free_irqs(&c->irqs);
	free_pages((unsigned long)c->tables, UTGARD_TABLE_ORDER);
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)c->pages[i]);
}

kunit_test_suites(&mali_utgard_gp_suite, &mali_utgard_pp_suite, &mali_utgard_mmu_suite);

MODULE_DESCRIPTION("Register-level tests of the Mali-400 model");
MODULE_LICENSE("GPL");
