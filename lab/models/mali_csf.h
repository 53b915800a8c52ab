/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of a Mali with a command-stream frontend (G610, as in the RK3588), for the panthor driver. One file per block:
 * mali_csf_gpu.c (identification, power, reset, caches), mali_csf_mmu.c (address spaces), mali_csf_mcu.c (the
 * microcontroller: boot, global interface, doorbells) are the lower half; mali_csf_group.c and what stands behind it
 * (groups, queues, instructions, heaps) are the upper half.
 *
 * The firmware's interface lies in RAM, where no access can be trapped: as with the real thing the model looks at it
 * when a doorbell rings. What a doorbell asks for is done when the write returns, so that slow emulation never looks
 * like a dead firmware; only the execution of streams is left to the worker.
 *
 * Everything in here is protected by gm.lock; every function is called with it held.
 */
#ifndef MALI_CSF_H
#define MALI_CSF_H

#include "gpu_model.h"
#include "mali_as.h"
#include "mali_csf_fw.h"
#include "mali_csf_regs.h"

#define CSF_MCU_AS		0
#define CSF_CLOCK_HZ		600000000ul

enum csf_irq { CSF_IRQ_JOB, CSF_IRQ_MMU, CSF_IRQ_GPU };

enum csf_fault {
	/* Lower half */
	CSF_FAULT_LOSE_INTERRUPT,	/* each job event; it stands in RAWSTAT, but does not raise the line */
	CSF_FAULT_SPURIOUS_INTERRUPT,	/* each global doorbell; the bits VALUE of the job block are raised for nothing */
	CSF_FAULT_FAIL_BOOT,		/* each boot; VALUE 0: silence, else MCU_STATUS says that it is dead */
	CSF_FAULT_BOOT_INTERFACE,	/* each boot; VALUE 0: version 0, 1: two groups, 2: streams that differ */
	CSF_FAULT_REFUSE_HALT,		/* each HALT; VALUE 0: nothing happens, else it is the halt status */
	CSF_FAULT_LOSE_PING,		/* each PING; never acknowledged */
	CSF_FAULT_LOSE_GLOBAL_REQUEST,	/* each global doorbell with requests; the bits VALUE of GLB_REQ are not seen */
	CSF_FAULT_LOSE_GROUP_REQUEST,	/* each ring of a group's bit in the global doorbell */
	CSF_FAULT_DELAY_DOORBELL,	/* each global doorbell; looked at after VALUE us, at once by switching the fault off */
	CSF_FAULT_STICK_AS,		/* each command to an address space; it stays active until the next reset */
	CSF_FAULT_STICK_L2,		/* each power-up of the L2 cache; it never gets ready */
	CSF_FAULT_LOSE_RESET,		/* each reset; done, and nothing says so. VALUE 1: RAWSTAT says so, without interrupt */
	CSF_FAULT_LOSE_FLUSH,		/* each flush of caches; as above */
	CSF_FAULT_GPU,			/* when it is planted with NTH 1: GPU_IRQ_FAULT with status VALUE */

	/* Upper half */
	CSF_FAULT_CS_FATAL,		/* each user stream, at its start; CS_FATAL of type VALUE */
	CSF_FAULT_CS_FAULT,		/* each user stream, at its start; CS_FAULT of type VALUE, and it goes on */
	CSF_FAULT_PROGRESS_TIMEOUT,	/* each user stream, at its start; the group's PROGRESS_TIMER_EVENT */
	CSF_FAULT_NEVER_FINISH,		/* each user stream, at its start; it does nothing until TERMINATE or reset */
	CSF_FAULT_DELAY_JOB,		/* each user stream, at its start; VALUE us, ended early by switching the fault off (as are all delays) */
	CSF_FAULT_CORRUPT_HEAP,		/* each block of a heap that is written; XORed with VALUE */
	CSF_FAULT_DELAY_OOM,		/* each TILER_OOM; raised VALUE us late */
	CSF_FAULT_REPEAT_OOM,		/* each TILER_OOM; raised VALUE more times, although it was answered */
	CSF_FAULT_DELAY_ANSWER,		/* each answer to TILER_OOM; looked at VALUE us late */
	CSF_FAULT_BAD_HEAP_STATISTICS,	/* each TILER_OOM; with numbers of passes that cannot be */
	CSF_FAULT_DELAY_EVENT,		/* each SYNC_UPDATE and IDLE of a group; raised VALUE us late, so behind others */
	CSF_FAULT_REPEAT_EVENT,		/* each SYNC_UPDATE and IDLE of a group; raised again when the kernel has seen it */
	CSF_NUM_FAULTS
};

enum csf_counter {
	/* Lower half */
	CSF_BOOTS,
	CSF_HALTS,
	CSF_RESETS,
	CSF_CACHE_FLUSHES,
	CSF_PINGS,
	CSF_DOORBELLS,
	CSF_USER_DOORBELLS,
	CSF_AS_ENABLED,			/* times an address space was given a page table */
	CSF_MMU_FAULTS,
	CSF_TLB_HITS,

	/* Upper half */
	CSF_GROUP_STARTS,
	CSF_GROUP_RESUMES,
	CSF_GROUP_SUSPENDS,
	CSF_GROUP_TERMINATIONS,
	CSF_JOBS_STARTED,		/* user streams called by the kernel */
	CSF_JOBS_DONE,			/* sync objects written by the kernel's own instructions */
	CSF_INSTRUCTIONS,
	CSF_FATALS,			/* CS_FATAL */
	CSF_FAULTS,			/* CS_FAULT */
	CSF_SYNC_UPDATES,
	CSF_IDLE_EVENTS,
	CSF_SYNC_WAITS,			/* that had to wait */
	CSF_HEAP_BLOCKS,		/* written */
	CSF_HEAP_BLOCKS_WRONG,		/* that a fragment job found to hold something else */
	CSF_INCREMENTAL_PASSES,
	CSF_OOM_RAISED,			/* TILER_OOM */
	CSF_OOM_RERAISED,		/* after the group had left its slot without an answer */
	CSF_OOM_WAITS,			/* for a fragment job to free a chunk, after an answer without one */
	CSF_OOM_HANDLER_RUNS,
	CSF_CHUNKS_RECEIVED,
	CSF_CHUNKS_NULL,		/* answers without a chunk */
	CSF_CHUNKS_DUPLICATE,		/* received, and in use already */
	CSF_CHUNKS_NOT_CLEARED,		/* received, and not zero at the start */
	CSF_CHUNKS_LATE,		/* that came when none was asked for: lost */
	CSF_CHUNKS_UNNEEDED,		/* received for an event that was raised once too often */
	CSF_CHUNKS_TAKEN,		/* from the free list */
	CSF_CHUNK_LISTS_RETURNED,	/* by FINISH_FRAGMENT */
	CSF_OOM_ANSWERED_1MS,		/* how long the kernel took from event to answer */
	CSF_OOM_ANSWERED_10MS,
	CSF_OOM_ANSWERED_100MS,
	CSF_OOM_ANSWERED_1S,
	CSF_OOM_ANSWERED_LATER,
	CSF_OOM_WORST_US,		/* the longest */
	CSF_NUM_COUNTERS
};

/* GPU control */
struct csf_gpu {
	u64 l2_ready;
	u64 timestamp_offset;
	u32 coherency_protocol;
	u32 flush_id;
	u32 fault_status;
};

struct csf_mcu {
	u32 control;
	u32 status;
	bool halt_seen;		/* HALT acts on its rising edge */
	u32 lost;		/* bits of GLB_REQ that are pending, and that the firmware has missed (planted) */
	ktime_t doorbell_at;	/* when a delayed doorbell is to be looked at (planted); 0 none */
};

/* The upper half's; struct csf_group is in mali_csf_group.h */
struct csf_group;

struct mali_csf {
	struct gpu_model gm;
	unsigned int num_as;
	struct csf_gpu gpu;
	struct mali_as as[MALI_NUM_AS];
	struct csf_mcu mcu;
	struct csf_group *groups;	/* CSF_NUM_CSG of them, from csf_groups_init() */
};

static inline struct mali_csf *to_mali_csf(struct gpu_model *gm)
{
	return container_of(gm, struct mali_csf, gm);
}

/* Lower half: mali_csf_gpu.c */
u32 csf_gpu_read(struct mali_csf *csf, u32 reg);
void csf_gpu_write(struct mali_csf *csf, u32 reg, u32 val);
void csf_gpu_fault(struct mali_csf *csf, u32 status);

/* Lower half: mali_csf_mmu.c */
u32 csf_mmu_read(struct mali_csf *csf, u32 reg);
void csf_mmu_write(struct mali_csf *csf, u32 reg, u32 val);
void csf_mmu_reset(struct mali_csf *csf);
bool csf_mmu_locked(const struct mali_csf *csf);

/* Whether AS has a page table. Without one csf_read() and csf_write() fail, and raise nothing: [A] a bus fault. */
bool csf_as_enabled(const struct mali_csf *csf, u32 as);

/*
 * Copies LEN bytes between the GPU's memory at VA of an address space and BUF. False: there is no translation; the fault
 * is in the address space's registers and its interrupt raised (once: a second one waits for the driver's answer to the
 * first). Of a write that fails nothing is written, as long as it does not cross more than one page boundary.
 */
bool csf_read(struct mali_csf *csf, u32 as, u64 va, void *buf, size_t len);
bool csf_write(struct mali_csf *csf, u32 as, u64 va, const void *buf, size_t len);

/* The same without a fault: false if it would fault. For what looks on. */
bool csf_peek(struct mali_csf *csf, u32 as, u64 va, void *buf, size_t len);

/* Lower half: mali_csf_mcu.c */
u32 csf_mcu_status(const struct mali_csf *csf);
void csf_mcu_control(struct mali_csf *csf, u32 val);
void csf_mcu_reset(struct mali_csf *csf);
void csf_mcu_doorbell(struct mali_csf *csf, u32 id);
ktime_t csf_mcu_work(struct mali_csf *csf);
void csf_mcu_end_delays(struct mali_csf *csf);
bool csf_mcu_running(const struct mali_csf *csf);

/* The host interface: the same as csf_read() and csf_write() in address space 0, except that a failure kills the MCU. */
bool csf_mcu_read(struct mali_csf *csf, u64 va, void *buf, size_t len);
bool csf_mcu_write(struct mali_csf *csf, u64 va, const void *buf, size_t len);

/* Single fields of the host interface; a read that fails gives 0. */
u32 csf_mcu_get(struct mali_csf *csf, u64 va);
u64 csf_mcu_get64(struct mali_csf *csf, u64 va);
void csf_mcu_set(struct mali_csf *csf, u64 va, u32 val);
void csf_mcu_set64(struct mali_csf *csf, u64 va, u64 val);

/* Events in the job block: JOB_INT_CSG_IF(slot), JOB_INT_GLOBAL_IF */
void csf_raise_job(struct mali_csf *csf, u32 bits);

/*
 * Upper half: mali_csf_group.c. csf_groups_init() runs once, before registration, and may allocate; csf_groups_fini()
 * after the model is gone.
 */
int csf_groups_init(struct mali_csf *csf);
void csf_groups_fini(struct mali_csf *csf);
void csf_groups_reset(struct mali_csf *csf);			/* boot, reset, the MCU was stopped */
void csf_groups_park(struct mali_csf *csf);			/* HALT */
void csf_group_request(struct mali_csf *csf, u32 csg);		/* its bit of the global doorbell was toggled */
void csf_user_doorbell(struct mali_csf *csf, u32 csg);
void csf_as_unmapped(struct mali_csf *csf, u32 as);		/* the driver has disabled an address space */
/* A slice of the worker, bounded: 0 again at once, KTIME_MAX not before the next kick. Only while the MCU runs. */
ktime_t csf_groups_work(struct mali_csf *csf);
void csf_groups_fault_planted(struct mali_csf *csf, enum csf_fault fault);

#endif
