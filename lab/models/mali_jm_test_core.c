// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model: what the tests have in common.
 */
#include <linux/bitfield.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "mali_jm_test.h"

const u32 blocks[3] = {
	[MALI_IRQ_JOB] = JOB_INT,
	[MALI_IRQ_MMU] = MMU_INT,
	[MALI_IRQ_GPU] = GPU_INT,
};

u64 *table(struct ctx *c, unsigned int as, unsigned int level)
{
	return c->pages[PAGE_TABLES + 4 * (as & 1) + level];
}

void map(struct ctx *c, unsigned int as, u64 va, phys_addr_t pa, u64 prot)
{
	table(c, as, 3)[(va >> 12) & 511] = prot ? pa | prot | MALI_PTE_TYPE_LEAF : 0;
}

void map_page(struct ctx *c, unsigned int as, u64 va, unsigned int page)
{
	map(c, as, va, virt_to_phys(c->pages[page]), RW);
}

void as_command(struct ctx *c, unsigned int as, u32 cmd)
{
	wr(c, MMU_AS(as, AS_COMMAND), cmd);
}

void as_flush(struct ctx *c, unsigned int as, u64 va, unsigned int width)
{
	wr64(c, MMU_AS(as, AS_LOCKADDR_LO), va | width);
	as_command(c, as, AS_COMMAND_LOCK);
	as_command(c, as, AS_COMMAND_FLUSH_PT);
}

/* An address space with tables of its own for even and odd numbers, in which the jobs and the two data pages lie. */
void as_enable(struct ctx *c, unsigned int as)
{
	unsigned int level;

	for (level = 0; level < 4; level++)
		memset(table(c, as, level), 0, PAGE_SIZE);
	for (level = 0; level < 3; level++)
		table(c, as, level)[(VA_JOBS >> (39 - 9 * level)) & 511] =
			virt_to_phys(table(c, as, level + 1)) | MALI_PTE_TYPE_TABLE;
	map_page(c, as, VA_JOBS, PAGE_JOBS);
	map_page(c, as, VA_DATA, PAGE_DATA);
	map_page(c, as, VA_OTHER, PAGE_OTHER);

	wr64(c, MMU_AS(as, AS_TRANSTAB_LO), virt_to_phys(table(c, as, 0)) | AS_TRANSTAB_ADRMODE_TABLE);
	as_command(c, as, AS_COMMAND_UPDATE);
}

u64 job_va(unsigned int i)
{
	return VA_JOBS + i * MALI_JOB_ALIGN;
}

struct mali_write_value_job *job(struct ctx *c, unsigned int i, enum mali_job_type type, u64 next)
{
	struct mali_write_value_job *j = (void *)c->pages[PAGE_JOBS] + i * MALI_JOB_ALIGN;

	memset(j, 0, MALI_JOB_ALIGN);
	j->header.control = MALI_JOB_IS_64BIT | FIELD_PREP(MALI_JOB_TYPE, type);
	j->header.index = i + 1;
	j->header.next = next;
	return j;
}

struct mali_write_value_job *write_job(struct ctx *c, unsigned int i, u64 next, u64 address,
					      enum mali_write_value_kind kind, u64 value)
{
	struct mali_write_value_job *j = job(c, i, MALI_JOB_WRITE_VALUE, next);

	j->address = address;
	j->kind = kind;
	j->immediate = value;
	return j;
}

struct mali_write_value_job *write64_job(struct ctx *c, unsigned int i, u64 next, u64 address, u64 value)
{
	return write_job(c, i, next, address, MALI_WRITE_IMMEDIATE_64, value);
}

void start(struct ctx *c, unsigned int slot, u32 config, u64 va)
{
	wr64(c, JOB_SLOT(slot, JS_HEAD_NEXT_LO), va);
	wr64(c, JOB_SLOT(slot, JS_AFFINITY_NEXT_LO), rd64(c, GPU_SHADER_PRESENT_LO));
	wr(c, JOB_SLOT(slot, JS_CONFIG_NEXT), config);
	wr(c, JOB_SLOT(slot, JS_COMMAND_NEXT), JS_COMMAND_START);
}

void run(struct kunit *test, unsigned int slot, u32 config, u64 va)
{
	start(test->priv, slot, config, va);
	settle(test);
}

u32 job_events(struct ctx *c)
{
	return rd(c, JOB_INT + GPU_MODEL_IRQ_RAWSTAT);
}

void clear_job_events(struct ctx *c)
{
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, ~0);
}

u32 status(struct ctx *c, unsigned int slot)
{
	return rd(c, JOB_SLOT(slot, JS_STATUS));
}

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_test_find(test, "mali-jm");
	struct ctx *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	c->gm = gm;

	for (i = 0; i < PAGES; i++) {
		c->pages[i] = (u64 *)get_zeroed_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, c->pages[i]);
	}
	memset64(c->pages[PAGE_DATA], POISON, PAGE_SIZE / 8);
	memset64(c->pages[PAGE_OTHER], POISON, PAGE_SIZE / 8);

	gpu_model_test_request_irqs(test, &c->irqs, gm, blocks);

	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	wr(c, L2_PWRON_LO, ~0);
	wr(c, SHADER_PWRON_LO, ~0);
	wr(c, TILER_PWRON_LO, ~0);
	as_enable(c, 0);
	as_enable(c, 1);
	return 0;
}

void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	gpu_model_test_unplant(c->gm);
	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	gpu_model_test_free_irqs(&c->irqs);
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)c->pages[i]);
}

kunit_test_suites(&mali_jm_gpu_suite, &mali_jm_mmu_suite, &mali_jm_js_suite, &mali_jm_shared_suite,
		  &mali_jm_fault_suite);

MODULE_DESCRIPTION("Register-level tests of the Job Manager model");
MODULE_LICENSE("GPL");
