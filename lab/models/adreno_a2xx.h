/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of an Adreno a200 for the msm driver, which runs it without a display (compatible "amd,imageon"). One file per
 * hardware block: adreno_a2xx_cp.c (the command processor with its ring), adreno_a2xx_mmu.c; registers and interrupts are
 * in adreno_a2xx_core.c.
 *
 * Everything in here is protected by gm.lock; every function is called with it held.
 */
#ifndef ADRENO_A2XX_H
#define ADRENO_A2XX_H

#include "adreno_a2xx_regs.h"
#include "gpu_model.h"

#define A2XX_CLOCK_HZ		200000000ul
#define A2XX_TLB_ENTRIES	64
#define A2XX_TABLE_ORDER	6	/* msm makes its one table in one allocation: a2xx_gpummu.c, TABLE_SIZE */
#define A2XX_MAX_PAYLOAD	1024u	/* words of a packet that the CP has to look at */

enum a2xx_fault {
	A2XX_FAULT_LOSE_INTERRUPT,	/* each INTERRUPT packet; it stands in CP_INT_STATUS, but does not raise the line */
	A2XX_FAULT_NEVER_FINISH,	/* each stream of the ring, at its start; the CP stops until it is reset */
	A2XX_FAULT_DELAY_JOB,		/* each stream of the ring, at its start; VALUE us, ended by switching the fault off */
	A2XX_FAULT_CORRUPT_WRITE,	/* each word of a MEM_WRITE; it is XORed with VALUE */
	A2XX_FAULT_LOSE_FENCE,		/* each EVENT_WRITE with a time stamp; nothing is written */
	A2XX_FAULT_PAGE_FAULT,		/* each word of a MEM_WRITE; as if its address were not translated */
	A2XX_FAULT_STUCK_RESET,		/* each reset; a CP that had stopped stays so */
};

enum a2xx_counter {
	A2XX_STREAMS,		/* of the ring, that were begun */
	A2XX_FENCES,		/* written */
	A2XX_PACKETS,
	A2XX_WRITES,		/* words, by MEM_WRITE */
	A2XX_PAGE_FAULTS,
	A2XX_CP_STOPS,		/* the CP met what it cannot go on from, or was planted to */
	A2XX_RESETS,
	A2XX_TLB_HITS,
	A2XX_INVALIDATES,
};

enum a2xx_access { A2XX_READ, A2XX_WRITE };

struct a2xx_tlb_entry {
	u32 va;		/* of the page */
	u32 pte;	/* 0: empty */
};

/* A stream that an INDIRECT_BUFFER has begun. */
struct a2xx_stream {
	u32 at;		/* GPU address */
	u32 left;	/* words */
};

struct a2xx_cp {
	u32 rptr;
	bool stopped;
	ktime_t not_before;		/* planted delay; 0 none */
	struct a2xx_stream streams[2];	/* IB1 and IB2 */
	unsigned int depth;
	u32 payload[A2XX_MAX_PAYLOAD];
};

struct a2xx {
	struct gpu_model gm;
	u32 regs[A2XX_REGS];
	struct a2xx_tlb_entry tlb[A2XX_TLB_ENTRIES];
	struct a2xx_cp cp;
};

static inline struct a2xx *to_a2xx(struct gpu_model *gm)
{
	return container_of(gm, struct a2xx, gm);
}

void a2xx_raise(struct a2xx *ax, u32 status_reg, u32 events, bool lost);

/* One access, which does not cross a page; NULL when nothing may be there, which has been reported. */
u32 *a2xx_mmu_access(struct a2xx *ax, u32 va, enum a2xx_access access);
void a2xx_mmu_fault(struct a2xx *ax, u32 va, enum a2xx_access access, u32 why);
void a2xx_mmu_invalidate(struct a2xx *ax, u32 val);

void a2xx_cp_reset(struct a2xx *ax);
void a2xx_cp_doorbell(struct a2xx *ax);
bool a2xx_cp_busy(const struct a2xx *ax);
ktime_t a2xx_cp_work(struct a2xx *ax);
void a2xx_cp_end_delay(struct a2xx *ax);

#endif
