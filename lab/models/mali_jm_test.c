// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Job Manager model. No driver takes part: the tests write registers, build page tables in
 * pages of their own and request the interrupts themselves. They run when the module is loaded, and are skipped when a
 * driver is bound to the model's device.
 *
 * Nothing is timed: settle() waits until the model has nothing left to do before it is woken again, and what has not
 * happened by then will not happen by itself.
 */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page_ref.h>

#include "mali_jm.h"

#define VA_JOBS		0x40000000ull
#define VA_DATA		0x40001000ull
#define VA_OTHER	0x40002000ull
#define VA_UNMAPPED	0x40003000ull
#define VA_LARGE	0x40200000ull
#define VA_NO_TABLE	0x8000000000ull

#define RW		(MALI_PTE_READ | MALI_PTE_WRITE)
#define POISON		0xeeeeeeeeeeeeeeeeull
#define LOCK_ALL	63
#define LOCK_PAGE	11	/* region of 1 << 12 bytes */

enum { PAGE_JOBS, PAGE_DATA, PAGE_OTHER, PAGE_TABLES, PAGES = PAGE_TABLES + 2 * 4 };

struct ctx {
	struct gpu_model *gm;
	u64 *pages[PAGES];
	atomic_t irqs[3];
	unsigned int requested;
};

static const u32 blocks[] = {
	[MALI_IRQ_JOB] = JOB_INT,
	[MALI_IRQ_MMU] = MMU_INT,
	[MALI_IRQ_GPU] = GPU_INT,
};

static u32 rd(struct ctx *c, u32 reg)
{
	return gpu_model_readl(c->gm->window + reg);
}

static void wr(struct ctx *c, u32 reg, u32 val)
{
	gpu_model_writel(val, c->gm->window + reg);
}

static u64 rd64(struct ctx *c, u32 reg)
{
	return rd(c, reg) | (u64)rd(c, reg + 4) << 32;
}

static void wr64(struct ctx *c, u32 reg, u64 val)
{
	wr(c, reg, lower_32_bits(val));
	wr(c, reg + 4, upper_32_bits(val));
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

static void settle(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < 20000 && !READ_ONCE(c->gm->idle); i++)
		usleep_range(100, 500);
	KUNIT_ASSERT_TRUE_MSG(test, READ_ONCE(c->gm->idle), "the model did not come to rest");
	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		irq_work_sync(&c->gm->irqs[i].deliver);
}

static u64 counter(struct ctx *c, enum mali_jm_counter n)
{
	return READ_ONCE(c->gm->counters[n]);
}

static u64 *table(struct ctx *c, unsigned int as, unsigned int level)
{
	return c->pages[PAGE_TABLES + 4 * (as & 1) + level];
}

static void map(struct ctx *c, unsigned int as, u64 va, phys_addr_t pa, u64 prot)
{
	table(c, as, 3)[(va >> 12) & 511] = prot ? pa | prot | MALI_PTE_TYPE_LEAF : 0;
}

static void map_page(struct ctx *c, unsigned int as, u64 va, unsigned int page)
{
	map(c, as, va, virt_to_phys(c->pages[page]), RW);
}

static void as_command(struct ctx *c, unsigned int as, u32 cmd)
{
	wr(c, MMU_AS(as, AS_COMMAND), cmd);
}

static void as_flush(struct ctx *c, unsigned int as, u64 va, unsigned int width)
{
	wr64(c, MMU_AS(as, AS_LOCKADDR_LO), va | width);
	as_command(c, as, AS_COMMAND_LOCK);
	as_command(c, as, AS_COMMAND_FLUSH_PT);
}

/* An address space with tables of its own for even and odd numbers, in which the jobs and the two data pages lie. */
static void as_enable(struct ctx *c, unsigned int as)
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

static u64 job_va(unsigned int i)
{
	return VA_JOBS + i * MALI_JOB_ALIGN;
}

static struct mali_write_value_job *job(struct ctx *c, unsigned int i, enum mali_job_type type, u64 next)
{
	struct mali_write_value_job *j = (void *)c->pages[PAGE_JOBS] + i * MALI_JOB_ALIGN;

	memset(j, 0, MALI_JOB_ALIGN);
	j->header.control = MALI_JOB_IS_64BIT | FIELD_PREP(MALI_JOB_TYPE, type);
	j->header.index = i + 1;
	j->header.next = next;
	return j;
}

static struct mali_write_value_job *write_job(struct ctx *c, unsigned int i, u64 next, u64 address,
					      enum mali_write_value_kind kind, u64 value)
{
	struct mali_write_value_job *j = job(c, i, MALI_JOB_WRITE_VALUE, next);

	j->address = address;
	j->kind = kind;
	j->immediate = value;
	return j;
}

static struct mali_write_value_job *write64_job(struct ctx *c, unsigned int i, u64 next, u64 address, u64 value)
{
	return write_job(c, i, next, address, MALI_WRITE_IMMEDIATE_64, value);
}

static void start(struct ctx *c, unsigned int slot, u32 config, u64 va)
{
	wr64(c, JOB_SLOT(slot, JS_HEAD_NEXT_LO), va);
	wr64(c, JOB_SLOT(slot, JS_AFFINITY_NEXT_LO), rd64(c, GPU_SHADER_PRESENT_LO));
	wr(c, JOB_SLOT(slot, JS_CONFIG_NEXT), config);
	wr(c, JOB_SLOT(slot, JS_COMMAND_NEXT), JS_COMMAND_START);
}

static void run(struct kunit *test, unsigned int slot, u32 config, u64 va)
{
	start(test->priv, slot, config, va);
	settle(test);
}

static u32 job_events(struct ctx *c)
{
	return rd(c, JOB_INT + GPU_MODEL_IRQ_RAWSTAT);
}

static void clear_job_events(struct ctx *c)
{
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, ~0);
}

static u32 status(struct ctx *c, unsigned int slot)
{
	return rd(c, JOB_SLOT(slot, JS_STATUS));
}

static void unmask(struct ctx *c)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		wr(c, blocks[i] + GPU_MODEL_IRQ_MASK, ~0);
}

#define EXPECT_DONE(test, slot)									\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), MALI_EXCEPTION_DONE);		\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), JOB_INT_MASK_DONE(slot));		\
} while (0)

#define EXPECT_FAILED(test, slot, why)								\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), why);				\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), JOB_INT_MASK_ERR(slot));		\
} while (0)

#define EXPECT_STALLED(test, slot)								\
do {												\
	KUNIT_EXPECT_EQ(test, status((test)->priv, slot), MALI_EXCEPTION_ACTIVE);		\
	KUNIT_EXPECT_EQ(test, job_events((test)->priv), 0);					\
} while (0)

/* ------------------------------------------------------------------------------------------------ GPU control */

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

static void reset(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
	unmask(c);

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

/* ------------------------------------------------------------------------------------------------ interrupts */

static void interrupt_is_level_triggered(struct kunit *test)
{
	struct ctx *c = test->priv;
	atomic_t *seen = &c->irqs[MALI_IRQ_GPU];

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

	unmask(c);
	settle(test);
	atomic_set(&c->irqs[MALI_IRQ_GPU], 0);

	job(c, 0, MALI_JOB_NULL, 0);
	run(test, 0, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs[MALI_IRQ_JOB]), 1);

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs[MALI_IRQ_JOB]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs[MALI_IRQ_MMU]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs[MALI_IRQ_GPU]), 0);
}

/* ------------------------------------------------------------------------------------------------ jobs */

static void job_null_and_cache_flush(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *first = job(c, 0, MALI_JOB_NULL, job_va(1));
	struct mali_write_value_job *second = job(c, 1, MALI_JOB_CACHE_FLUSH, 0);

	run(test, 0, 0, job_va(0));
	EXPECT_DONE(test, 0);
	KUNIT_EXPECT_EQ(test, first->header.exception_status, MALI_EXCEPTION_DONE);
	KUNIT_EXPECT_EQ(test, second->header.exception_status, MALI_EXCEPTION_DONE);
}

static void job_write_value(struct kunit *test)
{
	static const struct {
		enum mali_write_value_kind kind;
		u64 want;
	} cases[] = {
		{ MALI_WRITE_ZERO, 0 },
		{ MALI_WRITE_IMMEDIATE_8, 0xeeeeeeeeeeeeee88ull },
		{ MALI_WRITE_IMMEDIATE_16, 0xeeeeeeeeeeee7788ull },
		{ MALI_WRITE_IMMEDIATE_32, 0xeeeeeeee55667788ull },
		{ MALI_WRITE_IMMEDIATE_64, 0x1122334455667788ull },
	};
	struct ctx *c = test->priv;
	u64 before = ktime_get_mono_fast_ns(), writes = counter(c, MALI_WRITES);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		write_job(c, 0, 0, VA_DATA + 8 * i, cases[i].kind, 0x1122334455667788ull);
		run(test, 1, 0, job_va(0));
		EXPECT_DONE(test, 1);
		clear_job_events(c);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], cases[i].want);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i + 1], POISON);
	}
	write_job(c, 0, 0, VA_DATA, MALI_WRITE_SYSTEM_TIMESTAMP, 0);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_GE(test, c->pages[PAGE_DATA][0], before);
	KUNIT_EXPECT_LE(test, c->pages[PAGE_DATA][0], ktime_get_mono_fast_ns());
	KUNIT_EXPECT_EQ(test, counter(c, MALI_WRITES) - writes, ARRAY_SIZE(cases) + 1);
}

static void job_alignment(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_DATA + 4, 1);

	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_MISALIGNED_VALUE);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_MISALIGNED_VALUE);
	KUNIT_EXPECT_EQ(test, j->header.fault_pointer, VA_DATA + 4);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	clear_job_events(c);

	run(test, 1, 0, job_va(0) + 8);
	EXPECT_FAILED(test, 1, MALI_MISALIGNED_JOB);
}

/* More jobs than the model executes at once, on every slot. */
static void job_chain(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int slot, i, n = PAGE_SIZE / MALI_JOB_ALIGN;

	for (slot = 0; slot < MALI_NUM_JS; slot++) {
		struct mali_write_value_job *j;

		for (i = 0; i < n; i++)
			write64_job(c, i, i < n - 1 ? job_va(i + 1) : 0, VA_DATA + 8 * i, 1000 * slot + i);
		run(test, slot, 0, job_va(0));
		EXPECT_DONE(test, slot);
		clear_job_events(c);
		KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(slot, JS_HEAD_LO)), job_va(0));
		KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(slot, JS_TAIL_LO)), job_va(n - 1));
		for (i = 0, j = (void *)c->pages[PAGE_JOBS]; i < n; i++, j = (void *)j + MALI_JOB_ALIGN) {
			KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_EXCEPTION_DONE);
			KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], 1000 * slot + i);
		}
	}
}

static void job_chain_32bit_pointers(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, job_va(1) | 0xbad00000000ull, VA_DATA, 1);

	j->header.control &= ~MALI_JOB_IS_64BIT;
	write64_job(c, 1, 0, VA_DATA + 8, 2);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 2);
}

/* A chain that never ends must leave the registers usable, and can be stopped. */
static void job_chain_endless(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, job_va(0), VA_DATA, 1);
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_ACTIVE);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
}

static void job_dependency(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j;

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, job_va(2), VA_DATA + 8, 2)->header.dependency[0] = 1;
	j = write64_job(c, 2, 0, VA_DATA + 16, 3);
	j->header.dependency[0] = 2;
	j->header.dependency[1] = 1;
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][2], 3);
	clear_job_events(c);

	/* What an earlier chain has done does not count. */
	j = write64_job(c, 0, job_va(1), VA_DATA, POISON);
	j->header.dependency[1] = 2;
	write64_job(c, 1, 0, VA_DATA + 8, POISON);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_UNMET_DEPENDENCY);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 2);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_UNMET_DEPENDENCY);
}

static void job_unsupported(struct kunit *test)
{
	static const enum mali_job_type types[] = {
		MALI_JOB_COMPUTE, MALI_JOB_VERTEX, MALI_JOB_TILER, MALI_JOB_FRAGMENT,
	};
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		u64 before = c->gm->unsupported;
		struct mali_write_value_job *j = job(c, 0, types[i], job_va(1));

		write64_job(c, 1, 0, VA_DATA, 1);
		run(test, 1, 0, job_va(0));
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_JOB_CONFIG_FAULT);
		KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 1);
		KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_EXCEPTION_JOB_CONFIG_FAULT);
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
		clear_job_events(c);
	}
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

/* ------------------------------------------------------------------------------------------------ MMU */

static void fault_stalls_until_answered(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 raised = counter(c, MALI_FAULTS_RAISED), resolved = counter(c, MALI_FAULTS_RESOLVED);

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, 0, VA_UNMAPPED + 0x18, 2);
	run(test, 1, 2, job_va(0));
	as_enable(c, 2);
	settle(test);
	/* Address space 2 was not enabled at first. */
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	clear_job_events(c);

	run(test, 1, 2, job_va(0));
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(2));
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(2, AS_FAULTSTATUS)),
			MALI_EXCEPTION_TRANSLATION_FAULT(3) | MALI_WRITE << 8 | 1 << 16);
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(2, AS_FAULTADDRESS_LO)), VA_UNMAPPED + 0x18);

	/* Neither clearing the event nor an answer on another address space is an answer. */
	wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	map_page(c, 2, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, 0, LOCK_ALL);
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_TRUE(test, gpu_model_fault_pending());

	as_flush(c, 2, VA_UNMAPPED, LOCK_PAGE);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][3], 2);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_FAULTS_RAISED) - raised, 1);
	KUNIT_EXPECT_EQ(test, counter(c, MALI_FAULTS_RESOLVED) - resolved, 1);
}

/* An answer that mends nothing brings the same fault again. */
static void fault_again(struct kunit *test)
{
	static const u32 answers[] = { AS_COMMAND_UNLOCK, AS_COMMAND_FLUSH_PT, AS_COMMAND_FLUSH_MEM, AS_COMMAND_UPDATE };
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 2);
	start(c, 1, 0, job_va(0));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		settle(test);
		EXPECT_STALLED(test, 1);
		KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(0));
		wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, BIT(0));
		as_command(c, 0, answers[i]);
	}
}

static void fault_status(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct {
		u64 va;
		u32 exception;
	} cases[] = {
		{ 1ull << 48, MALI_EXCEPTION_TRANSLATION_FAULT(0) },
		{ VA_NO_TABLE, MALI_EXCEPTION_TRANSLATION_FAULT(0) },
		{ VA_JOBS + SZ_1G, MALI_EXCEPTION_TRANSLATION_FAULT(1) },
		{ VA_LARGE, MALI_EXCEPTION_TRANSLATION_FAULT(2) },
		{ VA_UNMAPPED, MALI_EXCEPTION_TRANSLATION_FAULT(3) },
		{ VA_OTHER, MALI_EXCEPTION_PERM_FAULT(3) },
	};
	unsigned int i;

	map(c, 0, VA_OTHER, virt_to_phys(c->pages[PAGE_OTHER]), MALI_PTE_READ);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		write64_job(c, 0, 0, cases[i].va, 1);
		run(test, 0, 0, job_va(0));
		KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), cases[i].exception | MALI_WRITE << 8);
		KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), cases[i].va);
		wr(c, JOB_SLOT(0, JS_COMMAND), JS_COMMAND_HARD_STOP);
		as_flush(c, 0, 0, LOCK_ALL);
		clear_job_events(c);
	}

	run(test, 0, 0, VA_UNMAPPED);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)), MALI_EXCEPTION_TRANSLATION_FAULT(3) | MALI_READ << 8);
}

static void fault_ends_with_disabled_address_space(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, job_va(1), VA_UNMAPPED, 1);

	write64_job(c, 1, 0, VA_DATA, 1);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
	/* The table is still there, but is no longer to be used. */
	wr64(c, MMU_AS(0, AS_TRANSTAB_LO), virt_to_phys(table(c, 0, 0)) | AS_TRANSTAB_ADRMODE_UNMAPPED);
	settle(test);
	EXPECT_STALLED(test, 1);
	as_command(c, 0, AS_COMMAND_UPDATE);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void large_page(struct kunit *test)
{
	struct ctx *c = test->priv;
	phys_addr_t pa = virt_to_phys(c->pages[PAGE_DATA]);

	table(c, 0, 2)[(VA_LARGE >> 21) & 511] = ALIGN_DOWN(pa, SZ_2M) | RW | MALI_PTE_TYPE_LEAF;
	write64_job(c, 0, 0, VA_LARGE + (pa & (SZ_2M - 1)) + 8, 7);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 7);
}

static void address_spaces(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int as;

	as_enable(c, 7);
	map_page(c, 7, VA_DATA, PAGE_OTHER);

	for (as = 0; as < 8; as += 7) {
		write64_job(c, 0, 0, VA_DATA, 100 + as);
		run(test, 1, as, job_va(0));
		EXPECT_DONE(test, 1);
		clear_job_events(c);
	}
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 100);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 107);
}

/* Two slots fault in one address space: the second fault is raised when the first has been answered. */
static void faults_of_two_slots(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_UNMAPPED + SZ_4K, 2);
	run(test, 1, 0, job_va(0));
	run(test, 2, 0, job_va(1));
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), VA_UNMAPPED);
	wr(c, MMU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	map_page(c, 0, VA_UNMAPPED, PAGE_DATA);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), BIT(0));
	KUNIT_EXPECT_EQ(test, rd64(c, MMU_AS(0, AS_FAULTADDRESS_LO)), VA_UNMAPPED + SZ_4K);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(0, AS_FAULTSTATUS)) >> 16, 2);
}

static void tlb_is_stale_until_flushed(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_DATA, 1);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);

	map_page(c, 0, VA_DATA, PAGE_OTHER);
	write64_job(c, 0, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 2, "not flushed: the old page is written");

	as_flush(c, 0, VA_OTHER, LOCK_PAGE);
	as_flush(c, 1, 0, LOCK_ALL);
	write64_job(c, 0, 0, VA_DATA, 3);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 3, "flushed elsewhere: the old page is written");
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);

	as_flush(c, 0, VA_DATA, LOCK_PAGE);
	write64_job(c, 0, 0, VA_DATA, 4);
	run(test, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_OTHER][0], 4, "flushed: the new page is written");

	map(c, 0, VA_DATA, 0, 0);
	as_command(c, 0, AS_COMMAND_UPDATE);
	write64_job(c, 0, 0, VA_DATA, 5);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
}

static void locked_region_waits(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr64(c, MMU_AS(0, AS_LOCKADDR_LO), VA_DATA | LOCK_PAGE);
	as_command(c, 0, AS_COMMAND_LOCK);
	write64_job(c, 0, job_va(1), VA_OTHER, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 1);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT), 0);
	as_command(c, 0, AS_COMMAND_UNLOCK);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
}

static void access_to_what_is_no_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct page *page = virt_to_page(c->pages[PAGE_OTHER]);
	struct mali_write_value_job *j;
	u64 before = c->gm->bad_accesses;

	map(c, 0, VA_UNMAPPED, 0x7e00000000ull, RW);
	j = write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, j->header.fault_pointer, VA_UNMAPPED);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 1);
	clear_job_events(c);

	/* As if it were free, while nobody can get at it. */
	KUNIT_ASSERT_TRUE(test, page_ref_freeze(page, 1));
	write64_job(c, 0, 0, VA_OTHER, 1);
	start(c, 1, 0, job_va(0));
	while (!READ_ONCE(c->gm->idle))
		cond_resched();
	page_ref_unfreeze(page, 1);
	EXPECT_FAILED(test, 1, MALI_NO_ACCESS);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	KUNIT_EXPECT_EQ(test, c->gm->bad_accesses - before, 2);
}

/* ------------------------------------------------------------------------------------------------ slots */

static void hard_stop(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_UNMAPPED, 1);

	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	KUNIT_EXPECT_EQ_MSG(test, job_events(c), 0, "nothing to stop");
	run(test, 1, 0, job_va(0));
	wr(c, JOB_SLOT(0, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_STALLED(test, 1);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0);
}

static void soft_stop(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, job_va(1), VA_DATA, 1);
	write64_job(c, 1, 0, VA_UNMAPPED, 2)->header.dependency[0] = 1;
	run(test, 1, 0, job_va(0));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_SOFT_STOP);
	settle(test);
	EXPECT_STALLED(test, 1);

	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_STOPPED);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_TAIL_LO)), job_va(1));
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	clear_job_events(c);

	run(test, 1, 0, rd64(c, JOB_SLOT(1, JS_TAIL_LO)));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 2);
}

static void stop_by_chain_flag(struct kunit *test)
{
	static const struct {
		u32 config;
		u32 others[2];
		u32 hard;
		u32 soft;
	} cases[] = {
		{ 0, { JS_COMMAND_SOFT_STOP_1, JS_COMMAND_HARD_STOP_1 }, JS_COMMAND_HARD_STOP_0, JS_COMMAND_SOFT_STOP_0 },
		{ JS_CONFIG_JOB_CHAIN_FLAG, { JS_COMMAND_SOFT_STOP_0, JS_COMMAND_HARD_STOP_0 },
		  JS_COMMAND_HARD_STOP_1, JS_COMMAND_SOFT_STOP_1 },
	};
	struct ctx *c = test->priv;
	unsigned int i;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		run(test, 1, cases[i].config, job_va(0));
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].others[0]);
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].others[1]);
		as_flush(c, 0, 0, LOCK_ALL);
		settle(test);
		EXPECT_STALLED(test, 1);
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].hard);
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
		clear_job_events(c);

		run(test, 1, cases[i].config, job_va(0));
		wr(c, JOB_SLOT(1, JS_COMMAND), cases[i].soft);
		as_flush(c, 0, 0, LOCK_ALL);
		settle(test);
		EXPECT_FAILED(test, 1, MALI_EXCEPTION_STOPPED);
		clear_job_events(c);
	}
}

/* COMMAND_NEXT = START on an idle slot takes effect in the write. */
static void start_is_immediate(struct kunit *test)
{
	struct ctx *c = test->priv;

	job(c, 0, MALI_JOB_NULL, 0);
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, 1, 0);
	start(c, 2, JS_CONFIG_JOB_CHAIN_FLAG, job_va(0));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(2, JS_COMMAND_NEXT)), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(2, JS_HEAD_LO)), job_va(0));
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(2, JS_AFFINITY_LO)), 0xf);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(2, JS_CONFIG)), JS_CONFIG_JOB_CHAIN_FLAG);
	KUNIT_EXPECT_EQ(test, status(c, 2), MALI_EXCEPTION_ACTIVE);
}

static void next_starts_with_done(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	job(c, 1, MALI_JOB_NULL, 0);
	run(test, 1, 0, job_va(0));
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, 1, 0);
	start(c, 1, JS_CONFIG_JOB_CHAIN_FLAG, job_va(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_START);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_HEAD_LO)), job_va(0));

	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	KUNIT_EXPECT_EQ(test, job_events(c), JOB_INT_MASK_DONE(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ(test, rd64(c, JOB_SLOT(1, JS_HEAD_LO)), job_va(1));
	KUNIT_EXPECT_EQ(test, status(c, 1), MALI_EXCEPTION_ACTIVE);
}

static void next_waits_after_failure(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(1));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	start(c, 1, 0, job_va(1));
	settle(test);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_SLOT(1, JS_COMMAND_NEXT)), JS_COMMAND_START);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);

	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
}

static void next_can_be_cancelled(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	write64_job(c, 1, 0, VA_DATA, 2);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(1));
	wr(c, JOB_SLOT(1, JS_COMMAND_NEXT), JS_COMMAND_NOP);
	map_page(c, 0, VA_UNMAPPED, PAGE_OTHER);
	as_flush(c, 0, VA_UNMAPPED, LOCK_PAGE);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
}

static void js_state_is_sampled(struct kunit *test)
{
	struct ctx *c = test->priv;

	write64_job(c, 0, 0, VA_UNMAPPED, 1);
	run(test, 1, 0, job_va(0));
	start(c, 1, 0, job_va(0));
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), 0, "nothing was sampled yet");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_DONE(0));
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), 0, "another slot was sampled");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1) | BIT(17));
	wr(c, JOB_SLOT(1, JS_COMMAND_NEXT), JS_COMMAND_NOP);
	KUNIT_EXPECT_EQ_MSG(test, rd(c, JOB_INT_JS_STATE), BIT(1) | BIT(17), "not sampled again");
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_DONE(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1));
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), BIT(1));
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, JOB_INT_MASK_ERR(1));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT_JS_STATE), 0);
}

/* ------------------------------------------------------------------------------------------------ planted faults */

static u64 fired(struct ctx *c, enum mali_jm_fault fault)
{
	return READ_ONCE(c->gm->faults[fault].fired);
}

static void planted_lose_interrupt(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_LOSE_INTERRUPT);
	atomic_t *seen = &c->irqs[MALI_IRQ_JOB];

	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);
	job(c, 0, MALI_JOB_NULL, 0);
	gpu_model_fault_plant(c->gm, MALI_FAULT_LOSE_INTERRUPT, 2, 1, 0);

	run(test, 0, 0, job_va(0));
	KUNIT_EXPECT_EQ(test, atomic_read(seen), 1);
	clear_job_events(c);
	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);

	run(test, 0, 0, job_va(0));
	EXPECT_DONE(test, 0);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 1, "lost");
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_LOSE_INTERRUPT) - before, 1);

	wr(c, JOB_INT + GPU_MODEL_IRQ_MASK, ~0);
	settle(test);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(seen), 2, "the level is still there");
}

static void planted_never_finish(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_NEVER_FINISH);

	write64_job(c, 0, 0, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 1, -1, 0);
	run(test, 1, 0, job_va(0));
	gpu_model_fault_plant(c->gm, MALI_FAULT_NEVER_FINISH, 0, 0, 0);
	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_SOFT_STOP);
	settle(test);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_NEVER_FINISH) - before, 1);

	wr(c, JOB_SLOT(1, JS_COMMAND), JS_COMMAND_HARD_STOP);
	EXPECT_FAILED(test, 1, MALI_EXCEPTION_TERMINATED);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
}

static void planted_finish_with_status(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct mali_write_value_job *j = write64_job(c, 0, 0, VA_DATA, 1);
	u64 before = fired(c, MALI_FAULT_FINISH_WITH_STATUS);

	gpu_model_fault_plant(c->gm, MALI_FAULT_FINISH_WITH_STATUS, 1, 1, 0x5a);
	run(test, 1, 0, job_va(0));
	EXPECT_FAILED(test, 1, 0x5a);
	KUNIT_EXPECT_EQ(test, j->header.exception_status, 0x5a);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_FINISH_WITH_STATUS) - before, 1);
	clear_job_events(c);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
}

static void planted_delay_job(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_DELAY_JOB);
	ktime_t begun = ktime_get();

	write64_job(c, 0, 0, VA_DATA, 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 1, 1, 2000);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_GE(test, ktime_us_delta(ktime_get(), begun), 2000);
	clear_job_events(c);

	/* An hour, which ends when the fault is switched off. */
	write64_job(c, 0, 0, VA_DATA, 2);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 1, -1, 3600000000ull);
	start(c, 1, 0, job_va(0));
	msleep(20);
	EXPECT_STALLED(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	gpu_model_fault_plant(c->gm, MALI_FAULT_DELAY_JOB, 0, 0, 0);
	settle(test);
	EXPECT_DONE(test, 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 2);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_DELAY_JOB) - before, 2);
}

static void planted_corrupt_write(struct kunit *test)
{
	static const u64 want[] = { 0x10, 0x11 ^ 0xf0, 0x12 ^ 0xf0, 0x13 };
	struct ctx *c = test->priv;
	u64 before = fired(c, MALI_FAULT_CORRUPT_WRITE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++)
		write64_job(c, i, i < ARRAY_SIZE(want) - 1 ? job_va(i + 1) : 0, VA_DATA + 8 * i, 0x10 + i);
	gpu_model_fault_plant(c->gm, MALI_FAULT_CORRUPT_WRITE, 2, 2, 0xf0);
	run(test, 1, 0, job_va(0));
	EXPECT_DONE(test, 1);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], want[i]);
	KUNIT_EXPECT_EQ(test, fired(c, MALI_FAULT_CORRUPT_WRITE) - before, 2);
	KUNIT_EXPECT_EQ(test, c->gm->faults[MALI_FAULT_CORRUPT_WRITE].nth, 0);
}

/* ------------------------------------------------------------------------------------------------ suite */

static int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_find("mali-jm");
	struct ctx *c;
	unsigned int i;

	if (!gm || gm->pdev->dev.driver)
		kunit_skip(test, "needs the model, with no driver bound to it");

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

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		KUNIT_ASSERT_EQ(test, request_irq(gm->irqs[i].virq, handler, 0, "mali_jm_test", c), 0);
		c->requested++;
	}

	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	wr(c, GPU_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	wr(c, L2_PWRON_LO, ~0);
	wr(c, SHADER_PWRON_LO, ~0);
	wr(c, TILER_PWRON_LO, ~0);
	as_enable(c, 0);
	as_enable(c, 1);
	return 0;
}

static void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	for (i = 0; c->gm->desc->faults[i]; i++)
		gpu_model_fault_plant(c->gm, i, 0, 0, 0);
	wr(c, GPU_CMD, GPU_CMD_SOFT_RESET);
	for (i = 0; i < c->requested; i++)
		free_irq(c->gm->irqs[i].virq, c);
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)c->pages[i]);
}

static struct kunit_case mali_jm_cases[] = {
	KUNIT_CASE(identification),
	KUNIT_CASE(power),
	KUNIT_CASE(cycle_counter),
	KUNIT_CASE(reset),
	KUNIT_CASE(interrupt_is_level_triggered),
	KUNIT_CASE(interrupt_of_each_block),
	KUNIT_CASE(job_null_and_cache_flush),
	KUNIT_CASE(job_write_value),
	KUNIT_CASE(job_alignment),
	KUNIT_CASE(job_chain),
	KUNIT_CASE(job_chain_32bit_pointers),
	KUNIT_CASE(job_chain_endless),
	KUNIT_CASE(job_dependency),
	KUNIT_CASE(job_unsupported),
	KUNIT_CASE(registers_unsupported),
	KUNIT_CASE(fault_stalls_until_answered),
	KUNIT_CASE(fault_again),
	KUNIT_CASE(fault_status),
	KUNIT_CASE(fault_ends_with_disabled_address_space),
	KUNIT_CASE(large_page),
	KUNIT_CASE(address_spaces),
	KUNIT_CASE(faults_of_two_slots),
	KUNIT_CASE(tlb_is_stale_until_flushed),
	KUNIT_CASE(locked_region_waits),
	KUNIT_CASE(access_to_what_is_no_memory),
	KUNIT_CASE(hard_stop),
	KUNIT_CASE(soft_stop),
	KUNIT_CASE(stop_by_chain_flag),
	KUNIT_CASE(start_is_immediate),
	KUNIT_CASE(next_starts_with_done),
	KUNIT_CASE(next_waits_after_failure),
	KUNIT_CASE(next_can_be_cancelled),
	KUNIT_CASE(js_state_is_sampled),
	KUNIT_CASE(planted_lose_interrupt),
	KUNIT_CASE(planted_never_finish),
	KUNIT_CASE(planted_finish_with_status),
	KUNIT_CASE(planted_delay_job),
	KUNIT_CASE(planted_corrupt_write),
	{}
};

static struct kunit_suite mali_jm_suite = {
	.name = "mali_jm",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = mali_jm_cases,
};
kunit_test_suite(mali_jm_suite);

MODULE_DESCRIPTION("Register-level tests of the Job Manager model");
MODULE_LICENSE("GPL");
