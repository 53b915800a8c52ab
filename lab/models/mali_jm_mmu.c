// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali with a Job Manager: the MMU (page-table walks, faults; mali_as.h has the address spaces).
 *
 * An access that has no translation raises a fault and stalls its job slot until the driver answers with UNLOCK,
 * FLUSH_PT, FLUSH_MEM or UPDATE on that address space; then the access is tried again. An address space holds one fault
 * at a time: another slot's fault waits for the first to be answered.
 *
 * [A] While a region is locked, accesses to it wait.
 * [A] TRANSTAB without a table disables the address space: accesses end with a bus fault.
 * AS_STATUS always reads 0, since commands are complete when the write returns. NOEXEC is not looked at: nothing is
 * executed.
 */
#include <linux/bitfield.h>

#include "mali_jm.h"

/*
 * Finds the entry that maps VA, as an entry for a single page. Returns 0, or the exception code of a translation fault,
 * or of a bus fault when a table does not lie in memory.
 */
static u32 mali_mmu_walk(struct mali_jm *jm, u64 root, u64 va, enum mali_access access, u64 *page_pte)
{
	u64 need = access == MALI_WRITE ? MALI_PTE_WRITE : MALI_PTE_READ;
	u64 table = root & MALI_PTE_ADDRESS;
	unsigned int level;

	if (va >> MALI_VA_BITS)
		return MALI_EXCEPTION_TRANSLATION_FAULT(0);

	for (level = 0; level < MALI_LEVELS; level++) {
		unsigned int shift = mali_as_shift(level);
		u64 *entries = gpu_model_phys(&jm->gm, table);
		u64 pte;

		if (!entries)
			return MALI_EXCEPTION_JOB_BUS_FAULT;

		pte = READ_ONCE(entries[(va >> shift) & 511]);
		if (level < MALI_LEVELS - 1 && FIELD_GET(MALI_PTE_TYPE, pte) == MALI_PTE_TYPE_TABLE) {
			table = pte & MALI_PTE_ADDRESS;
			continue;
		}
		/* Leaves of 2 MiB and 4 KiB; the driver makes no others. */
		if (level < MALI_LEVELS - 2 || FIELD_GET(MALI_PTE_TYPE, pte) != MALI_PTE_TYPE_LEAF)
			return MALI_EXCEPTION_TRANSLATION_FAULT(level);
		if (!(pte & need))
			return MALI_EXCEPTION_PERM_FAULT(level);

		*page_pte = pte | (va & GENMASK_ULL(shift - 1, MALI_PAGE_SHIFT));
		return 0;
	}
	return MALI_EXCEPTION_TRANSLATION_FAULT(MALI_LEVELS - 1);
}

static u32 mali_mmu_translate(struct mali_jm *jm, struct mali_as *as, u64 va, enum mali_access access, u64 *pte)
{
	u64 need = access == MALI_WRITE ? MALI_PTE_WRITE : MALI_PTE_READ;
	struct mali_tlb_entry *entry = mali_as_tlb(as, va);
	u64 page = va & ~(u64)(MALI_PAGE_SIZE - 1);
	u32 exception;

	if (entry->va == page && (entry->pte & need)) {
		jm->gm.counters[MALI_TLB_HITS]++;
		*pte = entry->pte;
		return 0;
	}

	exception = mali_mmu_walk(jm, as->root, va, access, pte);
	if (!exception) {
		entry->va = page;
		entry->pte = *pte;
	}
	return exception;
}

/* JS_CONFIG has room for more address spaces than there are. */
static bool mali_mmu_enabled(const struct mali_jm *jm, u32 n)
{
	return n < MALI_NUM_AS && FIELD_GET(AS_TRANSTAB_ADRMODE, jm->as[n].root) == AS_TRANSTAB_ADRMODE_TABLE;
}

static void mali_mmu_raise(struct mali_jm *jm, u32 n, u64 va, u32 exception, enum mali_access access, u32 source)
{
	struct mali_as *as = &jm->as[n];

	as->faultstatus = exception | access << 8 | source << 16;
	as->faultaddress = va;
	as->retrying = true;
	WRITE_ONCE(jm->gm.unanswered, jm->gm.unanswered | BIT(n));
	jm->gm.counters[MALI_FAULTS_RAISED]++;
	gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_MMU], BIT(n), false);
}

/*
 * One access of a job. 0: *P is where VA lies. -EAGAIN: the slot is to stall until mali_js_resume(). -EFAULT: the job
 * is to end with a bus fault. The caller's access does not cross a page.
 */
int mali_mmu_access(struct mali_jm *jm, u32 n, u64 va, enum mali_access access, u32 source, void **p)
{
	struct mali_as *as;
	u32 exception;
	u64 pte;

	if (!mali_mmu_enabled(jm, n))
		return -EFAULT;
	as = &jm->as[n];
	if (as->locked && va >= as->lock_first && va <= as->lock_last)
		return -EAGAIN;

	exception = mali_mmu_translate(jm, as, va, access, &pte);
	if (exception == MALI_EXCEPTION_JOB_BUS_FAULT)
		return -EFAULT;
	if (exception) {
		if (!(jm->gm.unanswered & BIT(n)))
			mali_mmu_raise(jm, n, va, exception, access, source);
		return -EAGAIN;
	}

	if (as->retrying && va == as->faultaddress) {
		as->retrying = false;
		jm->gm.counters[MALI_FAULTS_RESOLVED]++;
	}

	*p = gpu_model_phys(&jm->gm, (pte & MALI_PTE_ADDRESS) | (va & (MALI_PAGE_SIZE - 1)));
	return *p ? 0 : -EFAULT;
}

/* Where VA lies, if that can be had without stalling and without a fault; NULL otherwise. */
void *mali_mmu_peek(struct mali_jm *jm, u32 n, u64 va, enum mali_access access)
{
	u64 pte;

	if (!mali_mmu_enabled(jm, n) || mali_mmu_translate(jm, &jm->as[n], va, access, &pte))
		return NULL;
	return gpu_model_phys(&jm->gm, (pte & MALI_PTE_ADDRESS) | (va & (MALI_PAGE_SIZE - 1)));
}

static void mali_mmu_answered(struct mali_jm *jm, u32 n)
{
	WRITE_ONCE(jm->gm.unanswered, jm->gm.unanswered & ~BIT(n));
	mali_js_resume(jm, n);
}

static void mali_mmu_update(struct mali_jm *jm, struct mali_as *as)
{
	u32 mode = FIELD_GET(AS_TRANSTAB_ADRMODE, as->transtab);

	mali_as_update(as);
	as->retrying = false;
	if (mode != AS_TRANSTAB_ADRMODE_TABLE && mode != AS_TRANSTAB_ADRMODE_UNMAPPED)
		gpu_model_unsupported(&jm->gm, "address mode %u", mode);
}

static void mali_mmu_command(struct mali_jm *jm, u32 n, u32 cmd)
{
	struct mali_as *as = &jm->as[n];

	switch (cmd) {
	case AS_COMMAND_NOP:
		break;
	case AS_COMMAND_UPDATE:
		mali_mmu_update(jm, as);
		mali_mmu_answered(jm, n);
		break;
	case AS_COMMAND_LOCK:
		mali_as_lock(as);
		break;
	case AS_COMMAND_UNLOCK:
	case AS_COMMAND_FLUSH_PT:
	case AS_COMMAND_FLUSH_MEM:
		mali_as_flush_and_unlock(as);
		mali_mmu_answered(jm, n);
		break;
	default:
		gpu_model_unsupported(&jm->gm, "command %u on address space %u", cmd, n);
	}
}

void mali_mmu_reset(struct mali_jm *jm)
{
	memset(jm->as, 0, sizeof(jm->as));
	WRITE_ONCE(jm->gm.unanswered, 0);
}

static u32 mali_mmu_as_read(struct mali_jm *jm, u32 n, u32 reg)
{
	u32 val = 0;

	if (reg != AS_STATUS && !mali_as_read(&jm->as[n], reg, &val))
		gpu_model_unsupported(&jm->gm, "read of register 0x%x of address space %u", reg, n);
	return val;
}

static void mali_mmu_as_write(struct mali_jm *jm, u32 n, u32 reg, u32 val)
{
	if (reg == AS_COMMAND)
		mali_mmu_command(jm, n, val);
	else if (!mali_as_write(&jm->as[n], reg, val))
		gpu_model_unsupported(&jm->gm, "write of 0x%x to register 0x%x of address space %u", val, reg, n);
}

static bool mali_mmu_is_as(u32 reg)
{
	return reg >= MMU_AS_BASE && reg < MMU_AS(MALI_NUM_AS, 0);
}

u32 mali_mmu_read(struct mali_jm *jm, u32 reg)
{
	if (reg >= MMU_INT && reg <= MMU_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(&jm->gm.irqs[MALI_IRQ_MMU], reg - MMU_INT);
	if (mali_mmu_is_as(reg))
		return mali_mmu_as_read(jm, (reg - MMU_AS_BASE) / MMU_AS_STRIDE, reg % MMU_AS_STRIDE);

	gpu_model_unsupported(&jm->gm, "read of MMU register 0x%x", reg);
	return 0;
}

void mali_mmu_write(struct mali_jm *jm, u32 reg, u32 val)
{
	if (reg >= MMU_INT && reg <= MMU_INT + GPU_MODEL_IRQ_STAT)
		gpu_model_irq_write(&jm->gm.irqs[MALI_IRQ_MMU], reg - MMU_INT, val);
	else if (mali_mmu_is_as(reg))
		mali_mmu_as_write(jm, (reg - MMU_AS_BASE) / MMU_AS_STRIDE, reg % MMU_AS_STRIDE, val);
	else
		gpu_model_unsupported(&jm->gm, "write of 0x%x to MMU register 0x%x", val, reg);
}
