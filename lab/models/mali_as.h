/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The address spaces that all Malis have alike, in gpu_model.ko: their registers, the region that a command locks, and the
 * TLB. How page tables are walked, and what a fault is followed by, is each model's own.
 *
 * Translations stay in the TLB until a command covers them, so a driver that unmaps and does not flush leaves the GPU with
 * access to memory that may have been freed, which gpu_model_phys() then sees. What has no translation is never cached.
 *
 * [A] FLUSH_* and UNLOCK act on the locked region and unlock it; with nothing locked they act on the whole address space.
 * UPDATE flushes all of it.
 */
#ifndef MALI_AS_H
#define MALI_AS_H

#include <linux/types.h>

#include "mali_regs.h"

#define MALI_NUM_AS		8
#define MALI_TLB_ENTRIES	64
#define MALI_PAGE_SHIFT		12
#define MALI_PAGE_SIZE		BIT(MALI_PAGE_SHIFT)
#define MALI_LEVELS		4	/* of page tables, with 512 entries each */
#define MALI_VA_BITS		48

enum mali_access { MALI_READ = 2, MALI_WRITE = 3 };	/* as in AS_FAULTSTATUS */

struct mali_tlb_entry {
	u64 va;			/* of the page */
	u64 pte;		/* 0: empty */
};

struct mali_as {
	/* Registers */
	u64 transtab;
	u64 memattr;
	u64 lockaddr;
	u64 transcfg;		/* none on Malis with a Job Manager as old as the one here */
	u32 faultstatus;
	u64 faultaddress;

	/* As UPDATE latched them */
	u64 root;
	u64 config;

	bool locked;
	u64 lock_first;
	u64 lock_last;
	bool retrying;		/* Job Manager: the access that raised the last fault has not got through yet */
	bool stuck;		/* CSF: planted */
	struct mali_tlb_entry tlb[MALI_TLB_ENTRIES];
};

/* How many bits of an address lie below what an entry of this level maps. */
static inline unsigned int mali_as_shift(unsigned int level)
{
	return MALI_PAGE_SHIFT + 9 * (MALI_LEVELS - 1 - level);
}

/* Where the translation of VA is kept, if it is. */
static inline struct mali_tlb_entry *mali_as_tlb(struct mali_as *as, u64 va)
{
	return &as->tlb[(va >> MALI_PAGE_SHIFT) % MALI_TLB_ENTRIES];
}

/* What the commands do to the address space itself. */
void mali_as_update(struct mali_as *as);
void mali_as_lock(struct mali_as *as);
void mali_as_flush_and_unlock(struct mali_as *as);

/* The registers that all have; false: REG is none of them. */
bool mali_as_read(const struct mali_as *as, u32 reg, u32 *val);
bool mali_as_write(struct mali_as *as, u32 reg, u32 val);

#endif
