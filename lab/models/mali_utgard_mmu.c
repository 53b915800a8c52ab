// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: the MMUs, one for the GP and one for each PP. Knowledge: lima_mmu.c, lima_vm.c.
 *
 * Two levels of tables of 1024 entries of 32 bits, pages of 4 KiB. An access without a translation raises a page fault
 * and stalls the unit; it is tried again after PAGE_FAULT_DONE, or after a hard reset and what the driver writes then. A
 * table that does not lie in memory is a read bus error, and the unit waits until it is reset.
 *
 * Translations stay in the TLB until they are zapped: a new DTE_ADDR alone changes nothing that was translated before.
 * lima writes DTE_ADDR while the MMU stalls, and zaps before it lets it go on.
 *
 * [A] Without paging nothing is accessed: real MMUs pass physical addresses on, which a driver must not let a job do.
 */
#include "mali_utgard.h"

static void utgard_mmu_raise(struct utgard *ut, unsigned int n, u32 va, enum utgard_access access)
{
	struct utgard_mmu *mmu = &ut->mmu[n];

	mmu->faulted = true;
	mmu->fault_is_write = access == UTGARD_WRITE;
	mmu->fault_address = va;
	WRITE_ONCE(ut->gm.unanswered, ut->gm.unanswered | BIT(n));
	ut->gm.counters[UTGARD_FAULTS_RAISED]++;
	gpu_model_irq_post(utgard_mmu_irq(ut, n), MMU_INT_PAGE_FAULT, false);
}

/* 0: *PTE maps VA. -EFAULT: nothing does. -EIO: a table does not lie in memory. */
static int utgard_mmu_walk(struct utgard *ut, const struct utgard_mmu *mmu, u32 va, u32 *pte)
{
	u32 *table = gpu_model_phys(&ut->gm, mmu->dte);
	u32 entry;

	if (!table)
		return -EIO;
	entry = READ_ONCE(table[va >> 22]);
	if (!(entry & PTE_PRESENT))
		return -EFAULT;
	table = gpu_model_phys_in_block(&ut->gm, entry & PTE_ADDRESS, UTGARD_TABLE_ORDER);
	if (!table)
		return -EIO;
	*pte = READ_ONCE(table[(va >> 12) & 1023]);
	return *pte & PTE_PRESENT ? 0 : -EFAULT;
}

static int utgard_mmu_translate(struct utgard *ut, struct utgard_mmu *mmu, u32 va, enum utgard_access access, u32 *pte)
{
	struct utgard_tlb_entry *entry = &mmu->tlb[(va >> 12) % UTGARD_TLB_ENTRIES];
	u32 need = access == UTGARD_WRITE ? PTE_WRITE : PTE_READ;
	int ret;

	if (entry->va == (va & PTE_ADDRESS) && (entry->pte & need)) {
		ut->gm.counters[UTGARD_TLB_HITS]++;
		*pte = entry->pte;
		return 0;
	}
	ret = utgard_mmu_walk(ut, mmu, va, pte);
	if (ret)
		return ret;
	if (!(*pte & need))
		return -EFAULT;
	entry->va = va & PTE_ADDRESS;
	entry->pte = *pte;
	return 0;
}

/*
 * One access of unit N, which does not cross a page. 0: *P is where VA lies. -EAGAIN: the unit is to wait for its MMU.
 * -EFAULT: nothing lies there, and the unit is to end with a bus error.
 */
int utgard_mmu_access(struct utgard *ut, unsigned int n, u32 va, enum utgard_access access, void **p)
{
	struct utgard_mmu *mmu = &ut->mmu[n];
	u32 pte;

	if (mmu->stalled || mmu->faulted)
		return -EAGAIN;
	if (!mmu->paging) {
		gpu_model_unsupported(&ut->gm, "access of unit %u to 0x%x without paging", n, va);
		return -EFAULT;
	}
	switch (utgard_mmu_translate(ut, mmu, va, access, &pte)) {
	case 0:
		*p = gpu_model_phys(&ut->gm, (pte & PTE_ADDRESS) | (va & ~PTE_ADDRESS));
		return *p ? 0 : -EFAULT;
	case -EIO:
		gpu_model_irq_post(utgard_mmu_irq(ut, n), MMU_INT_BUS_ERROR, false);
		return -EAGAIN;
	default:
		utgard_mmu_raise(ut, n, va, access);
		return -EAGAIN;
	}
}

static void utgard_mmu_zap(struct utgard_mmu *mmu)
{
	memset(mmu->tlb, 0, sizeof(mmu->tlb));
}

/* The unit tries again. */
static void utgard_mmu_resume(struct utgard *ut, unsigned int n)
{
	ut->unit[n].waiting = false;
	gpu_model_kick(&ut->gm);
}

static void utgard_mmu_answered(struct utgard *ut, unsigned int n)
{
	ut->mmu[n].faulted = false;
	WRITE_ONCE(ut->gm.unanswered, ut->gm.unanswered & ~BIT(n));
}

/* Power is lost, with all that the registers held. */
void utgard_mmu_reset(struct utgard *ut, unsigned int n)
{
	memset(&ut->mmu[n], 0, sizeof(ut->mmu[n]));
	utgard_mmu_answered(ut, n);
	gpu_model_irq_reset(utgard_mmu_irq(ut, n));
}

static void utgard_mmu_command(struct utgard *ut, unsigned int n, u32 command)
{
	struct utgard_mmu *mmu = &ut->mmu[n];

	switch (command) {
	case MMU_ENABLE_PAGING:
		mmu->paging = true;
		utgard_mmu_resume(ut, n);
		break;
	case MMU_DISABLE_PAGING:
		mmu->paging = false;
		break;
	case MMU_ENABLE_STALL:
		mmu->stalled = true;
		break;
	case MMU_DISABLE_STALL:
		mmu->stalled = false;
		utgard_mmu_resume(ut, n);
		break;
	case MMU_ZAP_CACHE:
		utgard_mmu_zap(mmu);
		break;
	case MMU_PAGE_FAULT_DONE:
		utgard_mmu_answered(ut, n);
		utgard_mmu_resume(ut, n);
		break;
	case MMU_HARD_RESET:
		utgard_mmu_reset(ut, n);
		break;
	default:
		gpu_model_unsupported(&ut->gm, "command %u of the MMU of unit %u", command, n);
	}
}

static u32 utgard_mmu_status(const struct utgard_mmu *mmu)
{
	return MMU_STATUS_IDLE | MMU_STATUS_REPLAYED | (mmu->paging ? MMU_STATUS_PAGING : 0) |
	       (mmu->stalled ? MMU_STATUS_STALL : MMU_STATUS_NO_STALL) | (mmu->faulted ? MMU_STATUS_FAULT : 0) |
	       (mmu->faulted && mmu->fault_is_write ? MMU_STATUS_IS_WRITE : 0);
}

u32 utgard_mmu_read(struct utgard *ut, unsigned int n, u32 reg)
{
	if (reg >= MMU_UTGARD_INT && reg <= MMU_UTGARD_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(utgard_mmu_irq(ut, n), reg - MMU_UTGARD_INT);
	switch (reg) {
	case MMU_DTE_ADDR:
		return ut->mmu[n].dte;
	case MMU_STATUS:
		return utgard_mmu_status(&ut->mmu[n]);
	case MMU_PAGE_FAULT_ADDR:
		return ut->mmu[n].fault_address;
	default:
		gpu_model_unsupported(&ut->gm, "read of register 0x%x of the MMU of unit %u", reg, n);
		return 0;
	}
}

void utgard_mmu_write(struct utgard *ut, unsigned int n, u32 reg, u32 val)
{
	struct utgard_mmu *mmu = &ut->mmu[n];

	if (reg >= MMU_UTGARD_INT && reg <= MMU_UTGARD_INT + GPU_MODEL_IRQ_STAT) {
		gpu_model_irq_write(utgard_mmu_irq(ut, n), reg - MMU_UTGARD_INT, val);
		return;
	}
	switch (reg) {
	case MMU_DTE_ADDR:
		mmu->dte = val & MMU_DTE_ADDRESS;
		break;
	case MMU_COMMAND:
		utgard_mmu_command(ut, n, val);
		break;
	case MMU_ZAP_ONE_LINE:
		if (mmu->tlb[(val >> 12) % UTGARD_TLB_ENTRIES].va == (val & PTE_ADDRESS))
			mmu->tlb[(val >> 12) % UTGARD_TLB_ENTRIES].pte = 0;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "write of 0x%x to register 0x%x of the MMU of unit %u", val, reg, n);
	}
}
