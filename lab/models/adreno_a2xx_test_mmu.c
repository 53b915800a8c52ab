// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Adreno a200 model: the MMU.
 */
#include <linux/io.h>
#include <linux/mm.h>

#include "adreno_a2xx_test.h"

static void write_to(struct kunit *test, u32 va, u32 value)
{
	struct ctx *c = test->priv;

	c->mh_status = 0;
	stream(c, PAGE_IB1, PKT3(CP_MEM_WRITE, 2), va, value);
	run_ib1(test, 3);
}

/* The write is lost, the job goes on, and the register says what it was. */
static void page_faults(struct kunit *test)
{
	static const struct {
		u32 va, prot, why;
	} cases[] = {
		{ VA_UNMAPPED + 8, 0, 0 },
		{ VA_UNMAPPED + 8, A2XX_PTE_READ, A2XX_PAGE_FAULT_WRITE_PROT },
		{ VA_END, 0, A2XX_PAGE_FAULT_OUT_OF_RANGE },
		{ VA_BASE - 8, 0, A2XX_PAGE_FAULT_OUT_OF_RANGE },
	};
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 before = counter(c, A2XX_PAGE_FAULTS);

		c->pages[PAGE_OTHER][0xffc / 4] = POISON;
		if (cases[i].prot)
			map(c, cases[i].va, virt_to_phys(c->pages[PAGE_OTHER]), cases[i].prot);
		write_to(test, cases[i].va, 1);
		KUNIT_EXPECT_EQ(test, counter(c, A2XX_PAGE_FAULTS) - before, 1);
		KUNIT_EXPECT_EQ_MSG(test, rdx(c, REG_A2XX_MH_MMU_PAGE_FAULT),
				    A2XX_PAGE_FAULT | A2XX_PAGE_FAULT_IS_WRITE | cases[i].why |
				    (cases[i].va & A2XX_PAGE_FAULT_REQ_VA), "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_OTHER][0xffc / 4], 7, "the job goes on");
	}
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][2], POISON);
	KUNIT_EXPECT_GE(test, atomic_read(&c->interrupts), ARRAY_SIZE(cases));
	write_to(test, VA_PAGE(PAGE_DATA), 5);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 5);
}

static void a_planted_fault(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_fault_plant(c->gm, A2XX_FAULT_PAGE_FAULT, 1, 1, 0);
	write_to(test, VA_PAGE(PAGE_DATA), 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_MH_MMU_PAGE_FAULT) & A2XX_PAGE_FAULT_REQ_VA, VA_PAGE(PAGE_DATA));
}

static void packets_that_cannot_be_read(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 stops = counter(c, A2XX_CP_STOPS);

	map(c, VA_PAGE(PAGE_IB1), virt_to_phys(c->pages[PAGE_IB1]), A2XX_PTE_WRITE);
	invalidate(c);
	write_to(test, VA_PAGE(PAGE_DATA), 1);
	KUNIT_EXPECT_EQ(test, counter(c, A2XX_CP_STOPS) - stops, 1);
	KUNIT_EXPECT_EQ(test, c->mh_status, A2XX_MH_INT_MMU_PAGE_FAULT);
	KUNIT_EXPECT_EQ(test, c->master, A2XX_MASTER_INT_MH);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_MH_MMU_PAGE_FAULT),
			A2XX_PAGE_FAULT | A2XX_PAGE_FAULT_READ_PROT | VA_PAGE(PAGE_IB1));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0xffc / 4], POISON);
}

static void translations_stay_until_invalidated(struct kunit *test)
{
	struct ctx *c = test->priv;

	write_to(test, VA_PAGE(PAGE_DATA), 1);
	map(c, VA_PAGE(PAGE_DATA), virt_to_phys(c->pages[PAGE_IB2]), RW);
	write_to(test, VA_PAGE(PAGE_DATA), 2);
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 2, "not invalidated: the old page is written to");
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_IB2][0], POISON);
	invalidate(c);
	write_to(test, VA_PAGE(PAGE_DATA), 3);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_IB2][0], 3);
}

static void what_is_no_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct page *page = virt_to_page(c->pages[PAGE_DATA]);
	u64 before = c->gm->bad_accesses;

	/* As if it were free, while nobody can get at it. */
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	write_to(test, VA_PAGE(PAGE_DATA), 1);
	page_ref_unfreeze(page, 1);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);

	/* The table, behind the first page of its allocation. */
	page = virt_to_page(c->table);
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	invalidate(c);
	wrx(c, REG_AXXX_CP_RB_WPTR, 1);
	settle(test);
	page_ref_unfreeze(page, 1);
	KUNIT_EXPECT_EQ(test, c->mh_status, A2XX_MH_INT_AXI_READ_ERROR);
	KUNIT_EXPECT_GE(test, c->gm->bad_accesses - before, 2);
}

static void nothing_without_the_mmu(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	wrx(c, REG_A2XX_MH_MMU_CONFIG, 0);
	write_to(test, VA_PAGE(PAGE_DATA), 1);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(page_faults),
	KUNIT_CASE(a_planted_fault),
	KUNIT_CASE(packets_that_cannot_be_read),
	KUNIT_CASE(translations_stay_until_invalidated),
	KUNIT_CASE(what_is_no_memory),
	KUNIT_CASE(nothing_without_the_mmu),
	{}
};

struct kunit_suite adreno_a2xx_mmu_suite = {
	.name = "adreno_a2xx_mmu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
