// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the CSF model: address spaces. What walks the tables is the firmware's boot, which writes the
 * control blocks of the shared section, the global one first and then, on the next page, those of the groups.
 */
#include <linux/io.h>

#include "mali_csf_test.h"

#define GROUPS_PAGE	(CSF_SHARED_VA + 0x1000)
#define IO_PAGE		(CSF_SHARED_VA + 0x2000)

static void expect_booted(struct kunit *test)
{
	struct ctx *c = test->priv;

	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_ENABLED);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_CONTROL + GLB_VERSION), CSF_FW_VERSION);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_CSG_CONTROL(CSF_NUM_CSG - 1) + CSG_STREAM_NUM), CSF_NUM_CS);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_MMU), 0);
}

static void expect_fault(struct kunit *test, u64 va, u32 exception)
{
	struct ctx *c = test->priv;

	boot(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_FATAL);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_MMU), 1);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), exception | MALI_WRITE << 8);
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), va);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
}

static void maps_pages(struct kunit *test)
{
	boot(test->priv);
	expect_booted(test);
}

static void maps_blocks(struct kunit *test)
{
	struct ctx *c = test->priv;

	c->table[2][(CSF_SHARED_VA >> 21) & 511] = virt_to_phys(c->section) | CSF_PTE_TYPE_BLOCK | CSF_PTE_ACCESSED;
	boot(c);
	expect_booted(test);
}

static void no_page(struct kunit *test)
{
	struct ctx *c = test->priv;

	*pte(c, GROUPS_PAGE) = 0;
	expect_fault(test, GROUPS_PAGE, CSF_EXCEPTION_TRANSLATION_FAULT(3));
}

static void no_table(struct kunit *test)
{
	struct ctx *c = test->priv;

	c->table[2][(CSF_SHARED_VA >> 21) & 511] = 0;
	expect_fault(test, CSF_SHARED_VA, CSF_EXCEPTION_TRANSLATION_FAULT(2));
}

static void block_on_the_wrong_level(struct kunit *test)
{
	struct ctx *c = test->priv;

	c->table[1][0] = virt_to_phys(c->section) | CSF_PTE_TYPE_BLOCK | CSF_PTE_ACCESSED;
	expect_fault(test, CSF_SHARED_VA, CSF_EXCEPTION_TRANSLATION_FAULT(1));
}

static void read_only(struct kunit *test)
{
	struct ctx *c = test->priv;

	*pte(c, GROUPS_PAGE) |= CSF_PTE_READ_ONLY;
	expect_fault(test, GROUPS_PAGE, CSF_EXCEPTION_PERM_FAULT(3));
	KUNIT_EXPECT_EQ(test, *field(c, GROUPS_PAGE + CSG_INPUT_VA), 0);
}

static void not_accessed(struct kunit *test)
{
	struct ctx *c = test->priv;

	*pte(c, GROUPS_PAGE) &= ~CSF_PTE_ACCESSED;
	expect_fault(test, GROUPS_PAGE, CSF_EXCEPTION_ACCESS_FLAG(3));
}

static void not_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->bad_accesses;

	*pte(c, GROUPS_PAGE) = 0xfffffff000ull | PAGE_BITS;
	expect_fault(test, GROUPS_PAGE, CSF_EXCEPTION_GPU_BUS_FAULT);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses, before + 1);
}

static void one_fault_until_answered(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = counter(c, CSF_MMU_FAULTS);

	no_page(test);
	boot(c);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_MMU_FAULTS), before + 1);

	/* As panthor_mmu_as_disable() does */
	wr64(c, MMU_AS(0, AS_TRANSTAB_LO), 0);
	wr64(c, MMU_AS(0, AS_TRANSCFG_LO), AS_TRANSCFG_MODE_UNMAPPED);
	wr(c, MMU_AS(0, AS_COMMAND), AS_COMMAND_UPDATE);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());

	as_enable(c);
	no_page(test);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_MMU_FAULTS), before + 2);
}

static void disabled_raises_nothing(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr64(c, MMU_AS(0, AS_TRANSCFG_LO), AS_TRANSCFG_MODE_UNMAPPED);
	wr(c, MMU_AS(0, AS_COMMAND), AS_COMMAND_UPDATE);
	boot(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_FATAL);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_MMU), 0);
}

static void registers_act_on_update(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr64(c, MMU_AS(0, AS_TRANSTAB_LO), 0);
	wr64(c, MMU_AS(0, AS_TRANSCFG_LO), AS_TRANSCFG_MODE_UNMAPPED);
	boot(c);
	expect_booted(test);
}

/* The page with the global request and its acknowledgement is replaced under the GPU. */
static void translations_stay_until_flushed(struct kunit *test)
{
	struct ctx *c = test->priv;
	u32 *ack = c->other + (CSF_GLB_OUTPUT & 0xfff) + GLB_ACK;

	boot(c);
	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
	*pte(c, IO_PAGE) = virt_to_phys(c->other) | PAGE_BITS;

	as_flush(c, CSF_SHARED_VA, LOCK_PAGE);		/* of another page */
	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
	KUNIT_EXPECT_EQ(test, *ack, 0);

	as_flush(c, IO_PAGE, LOCK_PAGE);
	*(u32 *)(c->other + (CSF_GLB_INPUT & 0xfff) + GLB_REQ) = GLB_PING;
	ring(c);
	KUNIT_EXPECT_EQ(test, *ack, GLB_PING);
}

static void stuck_until_reset(struct kunit *test)
{
	struct ctx *c = test->priv;

	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_STATUS)), 0);
	plant(c, CSF_FAULT_STICK_AS, 1, 0);
	as_flush(c, 0, LOCK_ALL);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_STATUS)), AS_STATUS_ACTIVE);
	wr(c, GPU_CMD, GPU_CMD_RESET | GPU_CMD_RESET_SOFT << 8);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_STATUS)), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(maps_pages),
	KUNIT_CASE(maps_blocks),
	KUNIT_CASE(no_page),
	KUNIT_CASE(no_table),
	KUNIT_CASE(block_on_the_wrong_level),
	KUNIT_CASE(read_only),
	KUNIT_CASE(not_accessed),
	KUNIT_CASE(not_memory),
	KUNIT_CASE(one_fault_until_answered),
	KUNIT_CASE(disabled_raises_nothing),
	KUNIT_CASE(registers_act_on_update),
	KUNIT_CASE(translations_stay_until_flushed),
	KUNIT_CASE(stuck_until_reset),
	{}
};

struct kunit_suite mali_csf_mmu_suite = {
	.name = "mali_csf_mmu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
