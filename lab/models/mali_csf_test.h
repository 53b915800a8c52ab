/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register-level tests of the CSF model. No driver takes part: the tests write registers, build the firmware's page
 * tables in pages of their own, lay out its shared section, and request the interrupts themselves. They run when the
 * module is loaded, and are skipped when a driver is bound to the model's device.
 */
#ifndef MALI_CSF_TEST_H
#define MALI_CSF_TEST_H

#include "gpu_model_test.h"
#include "mali_csf.h"

#define SECTION_ORDER	9		/* 2 MiB, so that one entry can map it; the firmware uses the first 32 KiB */
#define POISON		0xeeeeeeeeu
#define LOCK_ALL	63
#define LOCK_PAGE	11		/* region of 1 << 12 bytes */
#define PAGE_BITS	(CSF_PTE_TYPE_PAGE | CSF_PTE_ACCESSED)

struct ctx {
	struct gpu_model *gm;
	void *section;			/* what lies behind CSF_SHARED_VA */
	u64 *table[4];			/* of address space 0, by level */
	void *other;			/* one more page */
	struct gpu_model_test_irqs irqs;
};

extern const u32 blocks[3];	/* the interrupt blocks' registers, by enum csf_irq */

void plant(struct ctx *c, enum csf_fault fault, s64 count, u64 value);
u32 rawstat(struct ctx *c, enum csf_irq irq);

u32 *field(struct ctx *c, u64 va);			/* of the shared section */
u64 *pte(struct ctx *c, u64 va);			/* on the last level */
void as_flush(struct ctx *c, u64 va, unsigned int width);
void as_enable(struct ctx *c);
void boot(struct ctx *c);
void ring(struct ctx *c);
void request(struct ctx *c, u32 toggle);		/* toggles bits of GLB_REQ against GLB_ACK, and rings */
u32 pending(struct ctx *c);				/* bits of GLB_REQ that are not acknowledged */

int ctx_init(struct kunit *test);
void ctx_exit(struct kunit *test);

extern struct kunit_suite mali_csf_gpu_suite;
extern struct kunit_suite mali_csf_mmu_suite;
extern struct kunit_suite mali_csf_mcu_suite;

#endif
