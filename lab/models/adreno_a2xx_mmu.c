// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of an Adreno a200: the MMU of its memory hub. Knowledge: a2xx_gpummu.c, a2xx_gpu.c (a2xx_hw_init()).
 *
 * One flat table of 32-bit entries, one for each 4 KiB from VA_BASE on. What has no translation raises MMU_PAGE_FAULT, is
 * not done, and nothing waits for an answer: a write is lost (real ones go to the 32 bytes at TRAN_ERROR), and a CP that
 * could not read its packets stops.
 *
 * Translations stay in the TLB until they are invalidated.
 *
 * [A] Outside of VA_RANGE nothing is accessed: under the behaviour that the driver chooses (BEH_TRAN_RNG) real ones pass
 * physical addresses on there, which a driver must not let a job do.
 */
#include <linux/bitfield.h>
#include <linux/sizes.h>

#include "adreno_a2xx.h"

void a2xx_mmu_fault(struct a2xx *ax, u32 va, enum a2xx_access access, u32 why)
{
	ax->regs[REG_A2XX_MH_MMU_PAGE_FAULT] = A2XX_PAGE_FAULT | why | (va & A2XX_PAGE_FAULT_REQ_VA) |
					       (access == A2XX_WRITE ? A2XX_PAGE_FAULT_IS_WRITE : 0);
	ax->gm.counters[A2XX_PAGE_FAULTS]++;
	a2xx_raise(ax, REG_A2XX_MH_INTERRUPT_STATUS, A2XX_MH_INT_MMU_PAGE_FAULT, false);
}

static void a2xx_mmu_bus_error(struct a2xx *ax, enum a2xx_access access)
{
	a2xx_raise(ax, REG_A2XX_MH_INTERRUPT_STATUS,
		   access == A2XX_WRITE ? A2XX_MH_INT_AXI_WRITE_ERROR : A2XX_MH_INT_AXI_READ_ERROR, false);
}

static bool a2xx_mmu_in_range(const struct a2xx *ax, u32 va)
{
	u32 range = ax->regs[REG_A2XX_MH_MMU_VA_RANGE];
	u32 base = range & A2XX_MH_MMU_VA_RANGE_VA_BASE;

	return va >= base && va - base < FIELD_GET(A2XX_MH_MMU_VA_RANGE_REGIONS, range) * SZ_64K;
}

/* The entry of VA, or NULL when the table does not lie in memory. */
static u32 *a2xx_mmu_entry(struct a2xx *ax, u32 va)
{
	u32 base = ax->regs[REG_A2XX_MH_MMU_VA_RANGE] & A2XX_MH_MMU_VA_RANGE_VA_BASE;
	phys_addr_t at = ax->regs[REG_A2XX_MH_MMU_PT_BASE] + (va - base) / SZ_4K * sizeof(u32);

	return gpu_model_phys_in_block(&ax->gm, at, A2XX_TABLE_ORDER);
}

/* 0: nothing translates VA, which has been reported. */
static u32 a2xx_mmu_translate(struct a2xx *ax, u32 va, enum a2xx_access access)
{
	struct a2xx_tlb_entry *entry = &ax->tlb[va / SZ_4K % A2XX_TLB_ENTRIES];
	u32 need = access == A2XX_WRITE ? A2XX_PTE_WRITE : A2XX_PTE_READ;
	u32 *pte;

	if (entry->va == (va & A2XX_PTE_ADDRESS) && (entry->pte & need)) {
		ax->gm.counters[A2XX_TLB_HITS]++;
		return entry->pte;
	}
	pte = a2xx_mmu_entry(ax, va);
	if (!pte) {
		a2xx_mmu_bus_error(ax, access);
		return 0;
	}
	entry->va = va & A2XX_PTE_ADDRESS;
	entry->pte = READ_ONCE(*pte);
	if (entry->pte & need)
		return entry->pte;

	a2xx_mmu_fault(ax, va, access,
		       !entry->pte ? 0 : access == A2XX_WRITE ? A2XX_PAGE_FAULT_WRITE_PROT : A2XX_PAGE_FAULT_READ_PROT);
	entry->pte = 0;
	return 0;
}

u32 *a2xx_mmu_access(struct a2xx *ax, u32 va, enum a2xx_access access)
{
	u32 pte, *to;

	if (!(ax->regs[REG_A2XX_MH_MMU_CONFIG] & A2XX_MH_MMU_CONFIG_MMU_ENABLE)) {
		gpu_model_unsupported(&ax->gm, "access to 0x%x without the MMU", va);
		return NULL;
	}
	if (!a2xx_mmu_in_range(ax, va)) {
		a2xx_mmu_fault(ax, va, access, A2XX_PAGE_FAULT_OUT_OF_RANGE);
		return NULL;
	}
	pte = a2xx_mmu_translate(ax, va, access);
	if (!pte)
		return NULL;
	to = gpu_model_phys(&ax->gm, (pte & A2XX_PTE_ADDRESS) | (va & ~A2XX_PTE_ADDRESS));
	if (!to)
		a2xx_mmu_bus_error(ax, access);
	return to;
}

void a2xx_mmu_invalidate(struct a2xx *ax, u32 val)
{
	ax->gm.counters[A2XX_INVALIDATES]++;
	if (val & A2XX_MH_MMU_INVALIDATE_ALL)
		memset(ax->tlb, 0, sizeof(ax->tlb));
}
