/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register-level tests of the Mali-400 model. No driver takes part: the tests write registers, build page tables in
 * memory of their own and request the interrupts themselves.
 */
#ifndef MALI_UTGARD_TEST_H
#define MALI_UTGARD_TEST_H

#include "gpu_model_test.h"
#include "mali_utgard.h"

#define VA_LIST		0x00001000u
#define VA_LIST_PP(n)	(0x00002000u + 0x1000 * (n))	/* one page for each PP */
#define VA_DATA		0x00010000u
#define VA_OTHER	0x00011000u
#define VA_UNMAPPED	0x00012000u
#define VA_HEAP		0x00c00000u	/* in the fourth table of the block; PAGES_HEAP pages */
#define VA_NO_TABLE	0x40000000u

#define RW		(PTE_PRESENT | PTE_READ | PTE_WRITE)
#define POISON		0xeeeeeeeeeeeeeeeeull
#define PAGES_HEAP	4

enum { PAGE_LIST, PAGE_DATA = PAGE_LIST + 1 + UTGARD_MAX_PP, PAGE_OTHER, PAGE_HEAP, PAGE_PD = PAGE_HEAP + PAGES_HEAP, PAGES };

struct ctx {
	struct gpu_model *gm;
	struct utgard *ut;
	u64 *pages[PAGES];
	u32 *tables;		/* of the first 32 MiB */
	struct gpu_model_test_irqs irqs;
};

extern const u32 blocks[UTGARD_IRQS];	/* the interrupt blocks' registers, by enum utgard_irq */

void map(struct ctx *c, u32 va, phys_addr_t pa, u32 prot);
void map_page(struct ctx *c, u32 va, unsigned int page);
void mmu_command(struct ctx *c, unsigned int unit, u32 command);
void mmu_enable(struct ctx *c, unsigned int unit);
struct utgard_command *command(struct ctx *c, unsigned int unit, unsigned int i, u32 op, u32 address, u64 value);
void start_gp(struct ctx *c, unsigned int vs, unsigned int plbu);
void run_plbu(struct kunit *test, unsigned int commands);
void heap(struct ctx *c, u32 start, u32 end);
void run_pp(struct kunit *test, unsigned int n);
u32 gp_events(struct ctx *c);
u32 pp_events(struct ctx *c, unsigned int n);

int ctx_init(struct kunit *test);
void ctx_exit(struct kunit *test);

extern struct kunit_suite mali_utgard_gp_suite;
extern struct kunit_suite mali_utgard_pp_suite;
extern struct kunit_suite mali_utgard_mmu_suite;

#endif
