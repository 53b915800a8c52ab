/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of a Mali with a Job Manager (T860 MP4), for the panfrost driver. One file per hardware block:
 * mali_jm_gpu.c (identification, power, reset, counters), mali_jm_mmu.c, mali_jm_js.c (job slots). mali_jm_shared.c is
 * no block of a Mali.
 *
 * Everything in here is protected by gm.lock; every function is called with it held.
 */
#ifndef MALI_JM_H
#define MALI_JM_H

#include <linux/bitmap.h>

#include "gpu_model.h"
#include "mali_as.h"
#include "mali_jm_regs.h"

#define MALI_NUM_JS		3
#define MALI_CLOCK_HZ		500000000ul

/* The upper half of the addresses is memory that the GPU shares with a process, the lower the driver's: mali_jm_shared.c */
#define MALI_SHARED_VA		BIT_ULL(47)
#define MALI_SHARED_END		BIT_ULL(48)

/* [A] With what a job ends. No public manual says; panfrost tells none of these from each other. */
#define MALI_NO_ACCESS		MALI_EXCEPTION_JOB_BUS_FAULT	/* address space disabled, or not RAM behind it */
#define MALI_UNPOWERED		MALI_EXCEPTION_JOB_POWER_FAULT	/* L2 or all the cores that it may use are off */
#define MALI_MISALIGNED_JOB	MALI_EXCEPTION_JOB_CONFIG_FAULT
#define MALI_MISALIGNED_VALUE	MALI_EXCEPTION_DATA_INVALID_FAULT
#define MALI_UNMET_DEPENDENCY	MALI_EXCEPTION_JOB_CONFIG_FAULT

enum mali_jm_irq { MALI_IRQ_JOB, MALI_IRQ_MMU, MALI_IRQ_GPU };

enum mali_jm_fault {
	MALI_FAULT_LOSE_INTERRUPT,	/* each job event; it stands in RAWSTAT, but does not raise the line */
	MALI_FAULT_NEVER_FINISH,	/* each chain, at its start; it does nothing until HARD_STOP or reset */
	MALI_FAULT_FINISH_WITH_STATUS,	/* each chain, at its start; its first job ends with VALUE instead */
	MALI_FAULT_DELAY_JOB,		/* each chain, at its start; VALUE us, ended early by switching the fault off */
	MALI_FAULT_CORRUPT_WRITE,	/* each WRITE_VALUE; what is written is XORed with VALUE */
	MALI_FAULT_PREEMPT_DEVICE_FAULT, /* each device fault; its job gives its cores to others while it waits */
};

enum mali_jm_counter {
	MALI_JOBS_STARTED,
	MALI_JOBS_DONE,
	MALI_JOBS_FAILED,
	MALI_DESCRIPTORS,
	MALI_WRITES,
	MALI_FAULTS_RAISED,
	MALI_FAULTS_RESOLVED,
	MALI_RESETS,
	MALI_SOFT_STOPS,
	MALI_HARD_STOPS,
	MALI_TLB_HITS,
	MALI_DEVICE_FAULTS_RAISED,
	MALI_DEVICE_FAULTS_RESOLVED,
};

/* GPU control */
struct mali_gpu {
	u32 latches[2][16];	/* registers that keep what is written and do nothing else */
	u64 shader_ready;
	u64 tiler_ready;
	u64 l2_ready;
	u32 flush_id;
	bool counting;
	u64 cycles;		/* when not counting */
	u64 cycles_from;	/* when counting: time that was zero */
};

struct mali_js {
	/* Registers */
	u64 head;
	u64 tail;		/* the job that is being executed */
	u64 affinity;
	u32 config;
	u32 status;
	u64 head_next;
	u64 affinity_next;
	u32 config_next;
	u32 command_next;
	u32 flush_id_next;

	/* The chain that is being executed */
	bool active;
	bool stalled;		/* on its address space */
	bool soft_stop;		/* before the next job */
	bool never_finish;	/* planted */
	u32 finish_status;	/* planted, with finish_now */
	bool finish_now;
	ktime_t not_before;	/* planted delay; 0 none */
	u64 missing_page;	/* of shared memory, which the chain waits for; 0 none */
	u64 present_page;	/* of shared memory, the last that it was given; 0 none */
	u64 shared_sink;	/* what a job writes to shared memory goes here */
	bool preempted;		/* others may have its cores while it waits */
	bool first_known;
	u16 first_index;
	u16 last_index;
	DECLARE_BITMAP(done, 1 << 16);
};

struct mali_jm {
	struct gpu_model gm;
	struct mali_gpu gpu;
	struct mali_as as[MALI_NUM_AS];
	struct mali_js js[MALI_NUM_JS];
	u32 js_state;
};

static inline struct mali_jm *to_mali_jm(struct gpu_model *gm)
{
	return container_of(gm, struct mali_jm, gm);
}

u32 mali_gpu_read(struct mali_jm *jm, u32 reg);
void mali_gpu_write(struct mali_jm *jm, u32 reg, u32 val);
u64 mali_gpu_cycles(struct mali_jm *jm);
bool mali_gpu_powered(struct mali_jm *jm, u64 affinity);

u32 mali_mmu_read(struct mali_jm *jm, u32 reg);
void mali_mmu_write(struct mali_jm *jm, u32 reg, u32 val);
void mali_mmu_reset(struct mali_jm *jm);
int mali_mmu_access(struct mali_jm *jm, u32 n, u64 va, enum mali_access access, u32 source, void **p);
void *mali_mmu_peek(struct mali_jm *jm, u32 n, u64 va, enum mali_access access);

u64 mali_shared_fault(struct mali_jm *jm);
bool mali_shared_resolve(struct mali_jm *jm, u64 va);
bool mali_shared_access(struct mali_jm *jm, unsigned int n, u64 va, void **p);
void mali_shared_forget(struct mali_jm *jm, unsigned int n);
bool mali_shared_cores_held(const struct mali_jm *jm, unsigned int n);

u32 mali_js_read(struct mali_jm *jm, u32 reg);
void mali_js_write(struct mali_jm *jm, u32 reg, u32 val);
void mali_js_reset(struct mali_jm *jm);
void mali_js_resume(struct mali_jm *jm, u32 as);
void mali_js_end_delays(struct mali_jm *jm);
ktime_t mali_js_work(struct mali_jm *jm);

#endif
