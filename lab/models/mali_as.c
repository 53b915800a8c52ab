// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces of Malis: see mali_as.h.
 */
#include <linux/bitfield.h>
#include <linux/module.h>

#include "gpu_model.h"
#include "mali_as.h"

static void mali_as_flush(struct mali_as *as, u64 first, u64 last)
{
	unsigned int i;

	for (i = 0; i < MALI_TLB_ENTRIES; i++) {
		if (as->tlb[i].va >= first && as->tlb[i].va <= last)
			as->tlb[i].pte = 0;
	}
}

void mali_as_update(struct mali_as *as)
{
	as->root = as->transtab;
	as->config = as->transcfg;
	as->locked = false;
	mali_as_flush(as, 0, U64_MAX);
}
EXPORT_SYMBOL_GPL(mali_as_update);

void mali_as_lock(struct mali_as *as)
{
	u64 inside = GENMASK_ULL(FIELD_GET(AS_LOCKADDR_WIDTH, as->lockaddr), 0);

	as->locked = true;
	as->lock_first = as->lockaddr & ~inside & ~(u64)AS_LOCKADDR_WIDTH;
	as->lock_last = as->lock_first | inside;
}
EXPORT_SYMBOL_GPL(mali_as_lock);

void mali_as_flush_and_unlock(struct mali_as *as)
{
	if (as->locked)
		mali_as_flush(as, as->lock_first, as->lock_last);
	else
		mali_as_flush(as, 0, U64_MAX);
	as->locked = false;
}
EXPORT_SYMBOL_GPL(mali_as_flush_and_unlock);

bool mali_as_read(const struct mali_as *as, u32 reg, u32 *val)
{
	switch (reg) {
	case AS_TRANSTAB_LO:
	case AS_TRANSTAB_HI:
		*val = gpu_model_half(as->transtab, reg);
		return true;
	case AS_MEMATTR_LO:
	case AS_MEMATTR_HI:
		*val = gpu_model_half(as->memattr, reg);
		return true;
	case AS_LOCKADDR_LO:
	case AS_LOCKADDR_HI:
		*val = gpu_model_half(as->lockaddr, reg);
		return true;
	case AS_FAULTSTATUS:
		*val = as->faultstatus;
		return true;
	case AS_FAULTADDRESS_LO:
	case AS_FAULTADDRESS_HI:
		*val = gpu_model_half(as->faultaddress, reg);
		return true;
	default:
		return false;
	}
}
EXPORT_SYMBOL_GPL(mali_as_read);

bool mali_as_write(struct mali_as *as, u32 reg, u32 val)
{
	switch (reg) {
	case AS_TRANSTAB_LO:
	case AS_TRANSTAB_HI:
		gpu_model_set_half(&as->transtab, reg, val);
		return true;
	case AS_MEMATTR_LO:
	case AS_MEMATTR_HI:
		gpu_model_set_half(&as->memattr, reg, val);
		return true;
	case AS_LOCKADDR_LO:
	case AS_LOCKADDR_HI:
		gpu_model_set_half(&as->lockaddr, reg, val);
		return true;
	default:
		return false;
	}
}
EXPORT_SYMBOL_GPL(mali_as_write);
