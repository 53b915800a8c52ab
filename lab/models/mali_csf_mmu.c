// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the MMU (page-table walks, accesses, faults; mali_as.h has the address spaces).
 *
 * A translation fault is final for panthor: it disables the address space and ends the groups on it. So an access that
 * faults just fails; who made it stalls until csf_as_unmapped(). An address space holds one fault at a time.
 *
 * [A] While a region is locked no stream runs (csf_work()); what the MCU itself does at a doorbell goes on, since the
 * driver holds nothing locked while it changes page tables: it changes them, and then locks and flushes.
 * AS_STATUS reads 0, since commands are complete when the write returns. NOEXEC and memory attributes are not looked at.
 */
#include <linux/bitfield.h>

#include "mali_csf.h"

#define CSF_WALK_AGAIN		1

/*
 * Finds the entry that maps VA, as an entry for a single page. Returns 0, an exception code, or CSF_WALK_AGAIN.
 *
 * io-pgtable-arm.c frees a table when it clears the entry that points to it, and the driver flushes only then: so what
 * was read from a table counts only if its entry still stands. The tables are slab objects, and may be read after their
 * end without harm: KASAN is not asked.
 */
static u32 csf_mmu_walk_once(struct mali_csf *csf, u64 root, u64 va, enum mali_access access, u64 *page_pte)
{
	u64 table = root & CSF_PTE_ADDRESS;
	u64 *above = NULL, above_pte = 0;
	unsigned int level;

	if (va >> MALI_VA_BITS)
		return CSF_EXCEPTION_TRANSLATION_FAULT(0);

	for (level = 0; level < MALI_LEVELS; level++) {
		bool last = level == MALI_LEVELS - 1;
		unsigned int shift = mali_as_shift(level);
		u64 *entries = gpu_model_phys(&csf->gm, table);
		u64 pte, type;

		if (!entries)
			return CSF_EXCEPTION_GPU_BUS_FAULT;
		entries += (va >> shift) & 511;
		pte = READ_ONCE_NOCHECK(*entries);
		if (above && READ_ONCE_NOCHECK(*above) != above_pte)
			return CSF_WALK_AGAIN;

		type = FIELD_GET(CSF_PTE_TYPE, pte);
		if (!last && type == CSF_PTE_TYPE_TABLE) {
			table = pte & CSF_PTE_ADDRESS;
			above = entries;
			above_pte = pte;
			continue;
		}
		/* Leaves of 2 MiB and 4 KiB; the driver makes no others. */
		if (last ? type != CSF_PTE_TYPE_PAGE : level != MALI_LEVELS - 2 || type != CSF_PTE_TYPE_BLOCK)
			return CSF_EXCEPTION_TRANSLATION_FAULT(level);
		if (!(pte & CSF_PTE_ACCESSED))
			return CSF_EXCEPTION_ACCESS_FLAG(level);
		if (access == MALI_WRITE && (pte & CSF_PTE_READ_ONLY))
			return CSF_EXCEPTION_PERM_FAULT(level);

		*page_pte = pte | (va & GENMASK_ULL(shift - 1, MALI_PAGE_SHIFT));
		return 0;
	}
	return CSF_EXCEPTION_TRANSLATION_FAULT(MALI_LEVELS - 1);
}

static u32 csf_mmu_translate(struct mali_csf *csf, struct mali_as *as, u64 va, enum mali_access access, u64 *pte)
{
	struct mali_tlb_entry *entry = mali_as_tlb(as, va);
	u64 page = va & ~(u64)(MALI_PAGE_SIZE - 1);
	u32 exception;

	if (entry->pte && entry->va == page && !(access == MALI_WRITE && (entry->pte & CSF_PTE_READ_ONLY))) {
		csf->gm.counters[CSF_TLB_HITS]++;
		*pte = entry->pte;
		return 0;
	}

	do {
		exception = csf_mmu_walk_once(csf, as->root, va, access, pte);
	} while (exception == CSF_WALK_AGAIN);
	if (!exception) {
		entry->va = page;
		entry->pte = *pte;
	}
	return exception;
}

bool csf_as_enabled(const struct mali_csf *csf, u32 as)
{
	return as < csf->num_as && FIELD_GET(AS_TRANSCFG_MODE, csf->as[as].config) == AS_TRANSCFG_MODE_AARCH64_4K;
}

bool csf_mmu_locked(const struct mali_csf *csf)
{
	unsigned int i;

	for (i = 0; i < csf->num_as; i++) {
		if (csf->as[i].locked)
			return true;
	}
	return false;
}

static void csf_mmu_raise(struct mali_csf *csf, u32 n, u64 va, u32 exception, enum mali_access access)
{
	struct mali_as *as = &csf->as[n];

	if (csf->gm.unanswered & BIT(n))
		return;
	as->faultstatus = exception | access << 8;
	as->faultaddress = va;
	WRITE_ONCE(csf->gm.unanswered, csf->gm.unanswered | BIT(n));
	csf->gm.counters[CSF_MMU_FAULTS]++;
	gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_MMU], BIT(n), false);
}

/* Where VA lies, for an access that ends before the next page does; NULL with or without a fault raised. */
static void *csf_mmu_at(struct mali_csf *csf, u32 n, u64 va, enum mali_access access, bool raise)
{
	void *page = NULL;
	u32 exception;
	u64 pte;

	exception = csf_mmu_translate(csf, &csf->as[n], va, access, &pte);
	if (!exception) {
		page = gpu_model_phys(&csf->gm, (pte & CSF_PTE_ADDRESS) | (va & (MALI_PAGE_SIZE - 1)));
		exception = CSF_EXCEPTION_GPU_BUS_FAULT;
	}
	if (!page && raise)
		csf_mmu_raise(csf, n, va, exception, access);
	return page;
}

/* A word that somebody else reads at the same time, such as a seqno, must not be seen half written. */
static void csf_mmu_store(void *to, const void *from, size_t len)
{
	u64 word = 0;

	if ((len != sizeof(u32) && len != sizeof(u64)) || !IS_ALIGNED((unsigned long)to, len)) {
		memcpy(to, from, len);
		return;
	}
	memcpy(&word, from, len);
	if (len == sizeof(u64))
		WRITE_ONCE(*(u64 *)to, word);
	else
		WRITE_ONCE(*(u32 *)to, word);
}

static void csf_mmu_load(void *to, const void *from, size_t len)
{
	u64 word;

	if ((len != sizeof(u32) && len != sizeof(u64)) || !IS_ALIGNED((unsigned long)from, len)) {
		memcpy(to, from, len);
		return;
	}
	word = len == sizeof(u64) ? READ_ONCE(*(const u64 *)from) : READ_ONCE(*(const u32 *)from);
	memcpy(to, &word, len);
}

/* All is translated before anything is copied. */
static bool csf_mmu_copy(struct mali_csf *csf, u32 n, u64 va, void *buf, size_t len, enum mali_access access, bool raise)
{
	size_t done, part;

	if (!csf_as_enabled(csf, n))
		return false;

	for (done = 0; done < len; done += part) {
		part = min_t(size_t, len - done, MALI_PAGE_SIZE - ((va + done) & (MALI_PAGE_SIZE - 1)));
		if (!csf_mmu_at(csf, n, va + done, access, raise))
			return false;
	}
	for (done = 0; done < len; done += part) {
		void *at = csf_mmu_at(csf, n, va + done, access, raise);

		part = min_t(size_t, len - done, MALI_PAGE_SIZE - ((va + done) & (MALI_PAGE_SIZE - 1)));
		if (!at)
			return false;	/* unmapped this moment, by another CPU */
		if (access == MALI_WRITE)
			csf_mmu_store(at, buf + done, part);
		else
			csf_mmu_load(buf + done, at, part);
	}
	return true;
}

bool csf_read(struct mali_csf *csf, u32 as, u64 va, void *buf, size_t len)
{
	return csf_mmu_copy(csf, as, va, buf, len, MALI_READ, true);
}

bool csf_write(struct mali_csf *csf, u32 as, u64 va, const void *buf, size_t len)
{
	return csf_mmu_copy(csf, as, va, (void *)buf, len, MALI_WRITE, true);
}

bool csf_peek(struct mali_csf *csf, u32 as, u64 va, void *buf, size_t len)
{
	return csf_mmu_copy(csf, as, va, buf, len, MALI_READ, false);
}

static void csf_mmu_update(struct mali_csf *csf, u32 n)
{
	struct mali_as *as = &csf->as[n];
	u32 mode = FIELD_GET(AS_TRANSCFG_MODE, as->transcfg);

	mali_as_update(as);
	WRITE_ONCE(csf->gm.unanswered, csf->gm.unanswered & ~BIT(n));

	if (mode == AS_TRANSCFG_MODE_AARCH64_4K) {
		csf->gm.counters[CSF_AS_ENABLED]++;
		if (FIELD_GET(AS_TRANSCFG_INA_BITS, as->transcfg) != 55 - MALI_VA_BITS)
			gpu_model_unsupported(&csf->gm, "a size of addresses: TRANSCFG 0x%llx", as->transcfg);
	} else {
		if (mode != AS_TRANSCFG_MODE_UNMAPPED)
			gpu_model_unsupported(&csf->gm, "address mode %u", mode);
		csf_as_unmapped(csf, n);
	}
}

static void csf_mmu_command(struct mali_csf *csf, u32 n, u32 cmd)
{
	struct mali_as *as = &csf->as[n];
	u64 unused;

	if (as->stuck || gpu_model_fault_hit(&csf->gm, CSF_FAULT_STICK_AS, &unused)) {
		as->stuck = true;
		return;
	}

	switch (cmd) {
	case AS_COMMAND_NOP:
		break;
	case AS_COMMAND_UPDATE:
		csf_mmu_update(csf, n);
		break;
	case AS_COMMAND_LOCK:
		mali_as_lock(as);
		break;
	case AS_COMMAND_UNLOCK:
	case AS_COMMAND_FLUSH_PT:
	case AS_COMMAND_FLUSH_MEM:
		mali_as_flush_and_unlock(as);
		break;
	default:
		gpu_model_unsupported(&csf->gm, "command %u on address space %u", cmd, n);
	}
	gpu_model_kick(&csf->gm);
}

void csf_mmu_reset(struct mali_csf *csf)
{
	memset(csf->as, 0, sizeof(csf->as));
	WRITE_ONCE(csf->gm.unanswered, 0);
}

static u32 csf_mmu_as_read(struct mali_csf *csf, u32 n, u32 reg)
{
	const struct mali_as *as = &csf->as[n];
	u32 val = 0;

	switch (reg) {
	case AS_STATUS:
		return as->stuck ? AS_STATUS_ACTIVE : 0;
	case AS_TRANSCFG_LO:
	case AS_TRANSCFG_HI:
		return gpu_model_half(as->transcfg, reg);
	case AS_FAULTEXTRA_LO:
	case AS_FAULTEXTRA_HI:
		return 0;
	default:
		if (!mali_as_read(as, reg, &val))
			gpu_model_unsupported(&csf->gm, "read of register 0x%x of address space %u", reg, n);
		return val;
	}
}

static void csf_mmu_as_write(struct mali_csf *csf, u32 n, u32 reg, u32 val)
{
	struct mali_as *as = &csf->as[n];

	switch (reg) {
	case AS_TRANSCFG_LO:
	case AS_TRANSCFG_HI:
		gpu_model_set_half(&as->transcfg, reg, val);
		break;
	case AS_COMMAND:
		csf_mmu_command(csf, n, val);
		break;
	default:
		if (!mali_as_write(as, reg, val))
			gpu_model_unsupported(&csf->gm, "write of 0x%x to register 0x%x of address space %u", val, reg, n);
	}
}

static bool csf_mmu_is_as(const struct mali_csf *csf, u32 reg)
{
	return reg >= MMU_AS_BASE && reg < MMU_AS(csf->num_as, 0);
}

u32 csf_mmu_read(struct mali_csf *csf, u32 reg)
{
	if (reg <= MMU_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(&csf->gm.irqs[CSF_IRQ_MMU], reg - MMU_INT);
	if (csf_mmu_is_as(csf, reg))
		return csf_mmu_as_read(csf, (reg - MMU_AS_BASE) / MMU_AS_STRIDE, reg % MMU_AS_STRIDE);

	gpu_model_unsupported(&csf->gm, "read of MMU register 0x%x", reg);
	return 0;
}

void csf_mmu_write(struct mali_csf *csf, u32 reg, u32 val)
{
	if (reg <= MMU_INT + GPU_MODEL_IRQ_STAT)
		gpu_model_irq_write(&csf->gm.irqs[CSF_IRQ_MMU], reg - MMU_INT, val);
	else if (csf_mmu_is_as(csf, reg))
		csf_mmu_as_write(csf, (reg - MMU_AS_BASE) / MMU_AS_STRIDE, reg % MMU_AS_STRIDE, val);
	else
		gpu_model_unsupported(&csf->gm, "write of 0x%x to MMU register 0x%x", val, reg);
}
