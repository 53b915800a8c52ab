/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers, commands, exception codes and job descriptors of Job Manager Malis (Midgard and early Bifrost), under the
 * names that the panfrost driver uses. Descriptors: Mesa's public Midgard descriptions.
 */
#ifndef MALI_JM_REGS_H
#define MALI_JM_REGS_H

#include "mali_regs.h"

#define MALI_JM_MMIO_SIZE		0x4000

/* GPU control */
#define GPU_JS_PRESENT			0x01c
#define   GPU_IRQ_PERFCNT_SAMPLE_COMPLETED BIT(16)
#define   GPU_CMD_NOP			0
#define   GPU_CMD_SOFT_RESET		1
#define   GPU_CMD_HARD_RESET		2
#define   GPU_CMD_PERFCNT_CLEAR		3
#define   GPU_CMD_PERFCNT_SAMPLE	4
#define   GPU_CMD_CYCLE_COUNT_START	5
#define   GPU_CMD_CYCLE_COUNT_STOP	6
#define   GPU_CMD_CLEAN_CACHES		7
#define   GPU_CMD_CLEAN_INV_CACHES	8
#define GPU_LATEST_FLUSH_ID		0x038	/* (RO) */
#define GPU_PERFCNT_BASE_LO		0x060
#define GPU_PERFCNT_CFG			0x068
#define GPU_PRFCNT_MMU_L2_EN		0x07c
#define GPU_CYCLE_COUNT_HI		0x094	/* (RO) */
#define GPU_TIMESTAMP_HI		0x09c	/* (RO) */
#define GPU_JS_FEATURES(n)		(0x0c0 + (n) * 4)
#define SHADER_READY_LO			0x140	/* (RO) */
#define TILER_READY_LO			0x150	/* (RO) */
#define SHADER_PWRON_LO			0x180	/* (WO) */
#define TILER_PWRON_LO			0x190	/* (WO) */
#define SHADER_PWROFF_LO		0x1c0	/* (WO) */
#define TILER_PWROFF_LO			0x1d0	/* (WO) */
#define SHADER_PWRTRANS_LO		0x200	/* (RO) */
#define TILER_PWRTRANS_LO		0x210	/* (RO) */
#define GPU_JM_CONFIG			0xf00
#define GPU_SHADER_CONFIG		0xf04
#define GPU_TILER_CONFIG		0xf08
#define GPU_L2_MMU_CONFIG		0xf0c

/* Job control */
#define   JOB_INT_MASK_DONE(slot)	BIT(slot)
#define   JOB_INT_MASK_ERR(slot)	BIT((slot) + 16)
#define JOB_INT_JS_STATE		0x1010	/* (RO) BIT(slot) current active, BIT(slot + 16) next filled */
#define JOB_SLOTS_BASE			0x1800
#define JOB_SLOT_STRIDE			0x80
#define JOB_SLOT(n, reg)		(JOB_SLOTS_BASE + (n) * JOB_SLOT_STRIDE + (reg))
#define   JS_HEAD_LO			0x00	/* (RO) */
#define   JS_HEAD_HI			0x04	/* (RO) */
#define   JS_TAIL_LO			0x08	/* (RO) */
#define   JS_TAIL_HI			0x0c	/* (RO) */
#define   JS_AFFINITY_LO		0x10	/* (RO) */
#define   JS_AFFINITY_HI		0x14	/* (RO) */
#define   JS_CONFIG			0x18	/* (RO) */
#define     JS_CONFIG_AS		GENMASK(3, 0)
#define     JS_CONFIG_JOB_CHAIN_FLAG	BIT(11)
#define     JS_CONFIG_DISABLE_DESCRIPTOR_WR_BK	BIT(15)
#define   JS_COMMAND			0x20	/* (WO) */
#define     JS_COMMAND_NOP		0
#define     JS_COMMAND_START		1
#define     JS_COMMAND_SOFT_STOP	2
#define     JS_COMMAND_HARD_STOP	3
#define     JS_COMMAND_SOFT_STOP_0	4	/* only if the job chain flag is 0 */
#define     JS_COMMAND_HARD_STOP_0	5
#define     JS_COMMAND_SOFT_STOP_1	6	/* only if it is 1 */
#define     JS_COMMAND_HARD_STOP_1	7
#define   JS_STATUS			0x24	/* (RO) exception code */
#define   JS_HEAD_NEXT_LO		0x40
#define   JS_HEAD_NEXT_HI		0x44
#define   JS_AFFINITY_NEXT_LO		0x50
#define   JS_AFFINITY_NEXT_HI		0x54
#define   JS_CONFIG_NEXT		0x58
#define   JS_COMMAND_NEXT		0x60
#define   JS_FLUSH_ID_NEXT		0x70

/* MMU; in MMU_INT BIT(as + 16) is a bus fault */
#define     AS_TRANSTAB_ADRMODE		GENMASK(1, 0)
#define     AS_TRANSTAB_ADRMODE_UNMAPPED 0
#define     AS_TRANSTAB_ADRMODE_TABLE	3

/* Page tables: four levels of 512 entries of 8 bytes */
#define MALI_PTE_TYPE			GENMASK_ULL(1, 0)
#define MALI_PTE_TYPE_LEAF		1
#define MALI_PTE_TYPE_TABLE		3
#define MALI_PTE_READ			BIT_ULL(6)
#define MALI_PTE_WRITE			BIT_ULL(7)
#define MALI_PTE_ADDRESS		GENMASK_ULL(47, 12)

/* Exception codes: in JS_STATUS, in job headers, in AS_FAULTSTATUS */
#define MALI_EXCEPTION_OK		0x00
#define MALI_EXCEPTION_DONE		0x01
#define MALI_EXCEPTION_STOPPED		0x03
#define MALI_EXCEPTION_TERMINATED	0x04
#define MALI_EXCEPTION_ACTIVE		0x08
#define MALI_EXCEPTION_JOB_CONFIG_FAULT	0x40
#define MALI_EXCEPTION_JOB_POWER_FAULT	0x41
#define MALI_EXCEPTION_JOB_BUS_FAULT	0x48
#define MALI_EXCEPTION_DATA_INVALID_FAULT 0x58
#define MALI_EXCEPTION_TRANSLATION_FAULT(level) (0xc1 + (level))
#define MALI_EXCEPTION_PERM_FAULT(level) (0xc8 + (level))

/* Job descriptors */
#define MALI_JOB_ALIGN			64

struct mali_job_header {
	u32 exception_status;
	u32 first_incomplete_task;
	u64 fault_pointer;
	u16 control;
	u16 index;
	u16 dependency[2];
	u64 next;		/* 32 bits of it unless MALI_JOB_IS_64BIT */
};

#define MALI_JOB_IS_64BIT		BIT(0)
#define MALI_JOB_TYPE			GENMASK(7, 1)

enum mali_job_type {
	MALI_JOB_NULL = 1,
	MALI_JOB_WRITE_VALUE = 2,
	MALI_JOB_CACHE_FLUSH = 3,
	MALI_JOB_COMPUTE = 4,
	MALI_JOB_VERTEX = 5,
	MALI_JOB_TILER = 7,
	MALI_JOB_FRAGMENT = 9,
};

enum mali_write_value_kind {
	MALI_WRITE_CYCLE_COUNTER = 1,
	MALI_WRITE_SYSTEM_TIMESTAMP = 2,
	MALI_WRITE_ZERO = 3,
	MALI_WRITE_IMMEDIATE_8 = 4,
	MALI_WRITE_IMMEDIATE_16 = 5,
	MALI_WRITE_IMMEDIATE_32 = 6,
	MALI_WRITE_IMMEDIATE_64 = 7,
};

struct mali_write_value_job {
	struct mali_job_header header;
	u64 address;
	u32 kind;
	u32 pad;
	u64 immediate;
};

#endif
