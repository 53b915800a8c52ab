/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of a Mali-400 (Utgard) with up to four PPs and a PMU, for the lima driver. One file per hardware block:
 * mali_utgard_gp.c, mali_utgard_pp.c, mali_utgard_mmu.c (one instance for the GP and for each PP), mali_utgard_pmu.c,
 * mali_utgard_l2.c. mali_utgard_list.c is what GP and PPs have in common: the execution of a list.
 *
 * Everything in here is protected by gm.lock; every function is called with it held.
 */
#ifndef MALI_UTGARD_H
#define MALI_UTGARD_H

#include "gpu_model.h"
#include "mali_utgard_list.h"
#include "mali_utgard_regs.h"

#define UTGARD_MAX_PP		4
#define UTGARD_UNITS		(1 + UTGARD_MAX_PP)	/* the GP is unit 0, PP n is unit 1 + n */
#define UTGARD_TLB_ENTRIES	64
#define UTGARD_CLOCK_HZ		400000000ul
#define UTGARD_TABLE_ORDER	3	/* lima makes eight page tables in one allocation: LIMA_VM_NUM_PT_PER_BT_SHIFT */

/* Bits of gm.unanswered: the MMU of each unit, and the GP that waits for heap memory. */
#define UTGARD_UNANSWERED_OOM	BIT(UTGARD_UNITS)

enum utgard_irq { UTGARD_IRQ_PMU, UTGARD_IRQ_UNITS, UTGARD_IRQS = UTGARD_IRQ_UNITS + 2 * UTGARD_UNITS };

/* GP and PPs start one job each; a job of lima on the PPs is one of each PP that takes part. */
enum utgard_fault {
	UTGARD_FAULT_LOSE_INTERRUPT,	/* each event of a GP or PP; it stands in RAWSTAT, but does not raise the line */
	UTGARD_FAULT_NEVER_FINISH,	/* each job, at its start; it does nothing until a reset */
	UTGARD_FAULT_FINISH_WITH_EVENTS, /* each job, at its start; it ends with the events VALUE instead */
	UTGARD_FAULT_DELAY_JOB,		/* each job, at its start; VALUE us, ended early by switching the fault off */
	UTGARD_FAULT_CORRUPT_WRITE,	/* each write; what is written is XORed with VALUE */
	UTGARD_FAULT_IGNORE_GROWTH,	/* each UPDATE_PLBU_ALLOC that answers for want of memory; it is not heard */
	UTGARD_FAULT_LOSE_POWER_UP,	/* each power-up; the domains stay off and nothing is said */
	UTGARD_FAULT_STUCK_RESET,	/* each hard reset; the registers do not come back until the next */
};

enum utgard_counter {
	UTGARD_JOBS_STARTED,
	UTGARD_JOBS_DONE,
	UTGARD_JOBS_FAILED,
	UTGARD_COMMANDS,
	UTGARD_WRITES,
	UTGARD_OUT_OF_MEMORY,		/* the PLBU has asked for heap memory */
	UTGARD_GROWTHS,			/* and was given some */
	UTGARD_FAULTS_RAISED,
	UTGARD_RESETS,			/* hard ones, of GP and PPs */
	UTGARD_POWER_UPS,
	UTGARD_POWER_DOWNS,
	UTGARD_L2_FLUSHES,
	UTGARD_TLB_HITS,
};

enum utgard_access { UTGARD_READ, UTGARD_WRITE };

struct utgard_tlb_entry {
	u32 va;		/* of the page */
	u32 pte;	/* 0: empty */
};

struct utgard_mmu {
	u32 dte;
	u32 fault_address;
	bool paging;
	bool stalled;
	bool faulted;
	bool fault_is_write;
	struct utgard_tlb_entry tlb[UTGARD_TLB_ENTRIES];
};

/* What a GP and a PP have in common. */
struct utgard_unit {
	bool active;
	bool waiting;		/* on its MMU */
	bool never_finish;	/* planted */
	bool finish_now;	/* planted, with finish_events */
	u32 finish_events;
	ktime_t not_before;	/* planted delay; 0 none */
	u32 at;			/* the command that is being executed */
	bool bus_stopped;
	bool reset_stuck;	/* planted */
	u32 perf_limit;
};

struct utgard_gp {
	u32 frame[6];
	u32 status;
	u32 alloc;		/* where the PLBU takes its next block, and where its heap ends */
	u32 alloc_end;
	u32 taken;		/* bytes, by the UTGARD_LIST_TAKE that is being executed */
	bool out_of_memory;
};

struct utgard_pp {
	u32 frame[PP_FRAME_END / 4];
	u32 wb[(PP_WB_END - PP_WB) / 4];
};

struct utgard {
	struct gpu_model gm;
	unsigned int num_pp;
	u32 domains;		/* of power, that there are */
	u32 off;		/* and of those, that are off */
	u32 pmu_delay;
	u32 l2_max_reads;
	u32 l2_enable;
	struct utgard_mmu mmu[UTGARD_UNITS];
	struct utgard_unit unit[UTGARD_UNITS];
	struct utgard_gp gp;
	struct utgard_pp pp[UTGARD_MAX_PP];
};

static inline struct utgard *to_utgard(struct gpu_model *gm)
{
	return container_of(gm, struct utgard, gm);
}

static inline struct gpu_model_irq *utgard_unit_irq(struct utgard *ut, unsigned int n)
{
	return &ut->gm.irqs[UTGARD_IRQ_UNITS + 2 * n];
}

static inline struct gpu_model_irq *utgard_mmu_irq(struct utgard *ut, unsigned int n)
{
	return &ut->gm.irqs[UTGARD_IRQ_UNITS + 2 * n + 1];
}

u32 utgard_pmu_read(struct utgard *ut, u32 reg);
void utgard_pmu_write(struct utgard *ut, u32 reg, u32 val);
bool utgard_pmu_powered(struct utgard *ut, u32 domain, u32 reg);

u32 utgard_l2_read(struct utgard *ut, u32 reg);
void utgard_l2_write(struct utgard *ut, u32 reg, u32 val);
void utgard_l2_reset(struct utgard *ut);

u32 utgard_mmu_read(struct utgard *ut, unsigned int n, u32 reg);
void utgard_mmu_write(struct utgard *ut, unsigned int n, u32 reg, u32 val);
int utgard_mmu_access(struct utgard *ut, unsigned int n, u32 va, enum utgard_access access, void **p);
void utgard_mmu_reset(struct utgard *ut, unsigned int n);

u32 utgard_gp_read(struct utgard *ut, u32 reg);
void utgard_gp_write(struct utgard *ut, u32 reg, u32 val);
int utgard_gp_take(struct utgard *ut, const struct utgard_command *command);
void utgard_gp_step(struct utgard *ut);
void utgard_gp_reset(struct utgard *ut);

u32 utgard_pp_read(struct utgard *ut, unsigned int n, u32 reg);
void utgard_pp_write(struct utgard *ut, unsigned int n, u32 reg, u32 val);
void utgard_pp_step(struct utgard *ut, unsigned int n);
void utgard_pp_reset(struct utgard *ut, unsigned int n);

void utgard_unit_start(struct utgard *ut, unsigned int n, u32 at);
void utgard_unit_end(struct utgard *ut, unsigned int n, u32 events, bool well);
void utgard_unit_post(struct utgard *ut, unsigned int n, u32 events);
void utgard_unit_reset(struct utgard *ut, unsigned int n);
void utgard_unit_store(struct utgard *ut, void *to, u64 value);
int utgard_unit_execute(struct utgard *ut, unsigned int n);
void utgard_units_end_delays(struct utgard *ut);
ktime_t utgard_units_work(struct utgard *ut);

#endif
