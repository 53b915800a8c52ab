/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers that Malis with a Job Manager and those with a command-stream frontend have alike, under the names that the
 * panfrost and panthor drivers use.
 */
#ifndef MALI_REGS_H
#define MALI_REGS_H

#include <linux/bits.h>

/* GPU control */
#define GPU_ID				0x000
#define GPU_L2_FEATURES			0x004
#define GPU_TILER_FEATURES		0x00c
#define GPU_MEM_FEATURES		0x010
#define GPU_MMU_FEATURES		0x014
#define GPU_AS_PRESENT			0x018
#define GPU_INT				0x020	/* an interrupt block */
#define   GPU_IRQ_RESET_COMPLETED	BIT(8)
#define   GPU_IRQ_POWER_CHANGED		BIT(9)
#define   GPU_IRQ_POWER_CHANGED_ALL	BIT(10)
#define   GPU_IRQ_CLEAN_CACHES_COMPLETED BIT(17)
#define GPU_CMD				0x030	/* (WO) */
#define GPU_STATUS			0x034	/* (RO) */
#define GPU_FAULT_STATUS		0x03c	/* (RO) */
#define GPU_FAULT_ADDRESS_LO		0x040	/* (RO) */
#define GPU_FAULT_ADDRESS_HI		0x044	/* (RO) */
#define GPU_CYCLE_COUNT_LO		0x090	/* (RO) */
#define GPU_TIMESTAMP_LO		0x098	/* (RO) */
#define GPU_THREAD_MAX_THREADS		0x0a0
#define GPU_THREAD_MAX_WORKGROUP_SIZE	0x0a4
#define GPU_THREAD_MAX_BARRIER_SIZE	0x0a8
#define GPU_THREAD_FEATURES		0x0ac
#define GPU_TEXTURE_FEATURES(n)		(0x0b0 + (n) * 4)
#define GPU_SHADER_PRESENT_LO		0x100
#define GPU_TILER_PRESENT_LO		0x110
#define GPU_L2_PRESENT_LO		0x120
#define L2_READY_LO			0x160	/* (RO) */
#define L2_PWRON_LO			0x1a0	/* (WO) */
#define L2_PWROFF_LO			0x1e0	/* (WO) */
#define L2_PWRTRANS_LO			0x220	/* (RO) */
#define GPU_CONTROL_END			0x1000

/* Job control */
#define JOB_INT				0x1000	/* an interrupt block */

/* MMU */
#define MMU_INT				0x2000	/* an interrupt block; BIT(as) page fault */
#define MMU_AS_BASE			0x2400
#define MMU_AS_STRIDE			0x40
#define MMU_AS(n, reg)			(MMU_AS_BASE + (n) * MMU_AS_STRIDE + (reg))
#define   AS_TRANSTAB_LO		0x00
#define   AS_TRANSTAB_HI		0x04
#define   AS_MEMATTR_LO			0x08
#define   AS_MEMATTR_HI			0x0c
#define   AS_LOCKADDR_LO		0x10
#define     AS_LOCKADDR_WIDTH		GENMASK(5, 0)	/* log2 of the region's size, minus one */
#define   AS_LOCKADDR_HI		0x14
#define   AS_COMMAND			0x18	/* (WO) */
#define     AS_COMMAND_NOP		0
#define     AS_COMMAND_UPDATE		1
#define     AS_COMMAND_LOCK		2
#define     AS_COMMAND_UNLOCK		3
#define     AS_COMMAND_FLUSH_PT		4
#define     AS_COMMAND_FLUSH_MEM	5
#define   AS_FAULTSTATUS		0x1c	/* (RO) exception code | access << 8 | source << 16 */
#define   AS_FAULTADDRESS_LO		0x20	/* (RO) */
#define   AS_FAULTADDRESS_HI		0x24	/* (RO) */
#define   AS_STATUS			0x28	/* (RO) bit 0: a command is being carried out */

#endif
