/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers, commands and exception codes of Malis with a command-stream frontend (CSF, "arch 10"), under the names that
 * the panthor driver uses (panthor_regs.h, panthor_device.h), and page tables as io-pgtable-arm.c builds them.
 */
#ifndef MALI_CSF_REGS_H
#define MALI_CSF_REGS_H

#include <linux/bits.h>

/* As far as the doorbell that the driver calls "none" (0xff): a write there is a fault of the driver, and is to be seen. */
#define CSF_MMIO_SIZE			0x1080000

/* GPU control */
#define GPU_ID				0x000
#define GPU_L2_FEATURES			0x004
#define GPU_TILER_FEATURES		0x00c
#define GPU_MEM_FEATURES		0x010
#define GPU_MMU_FEATURES		0x014
#define GPU_AS_PRESENT			0x018
#define GPU_CSF_ID			0x01c
#define GPU_INT				0x020	/* an interrupt block */
#define   GPU_IRQ_FAULT			BIT(0)
#define   GPU_IRQ_PROTM_FAULT		BIT(1)
#define   GPU_IRQ_RESET_COMPLETED	BIT(8)
#define   GPU_IRQ_POWER_CHANGED		BIT(9)
#define   GPU_IRQ_POWER_CHANGED_ALL	BIT(10)
#define   GPU_IRQ_CLEAN_CACHES_COMPLETED BIT(17)
#define GPU_CMD				0x030	/* (WO) */
#define   GPU_CMD_TYPE			GENMASK(7, 0)
#define   GPU_CMD_PAYLOAD		GENMASK(31, 8)
#define   GPU_CMD_RESET			1
#define     GPU_CMD_RESET_SOFT		1
#define     GPU_CMD_RESET_HARD		2
#define   GPU_CMD_FLUSH_CACHES		4
#define GPU_STATUS			0x034	/* (RO) */
#define GPU_FAULT_STATUS		0x03c	/* (RO) */
#define GPU_FAULT_ADDRESS_LO		0x040	/* (RO) */
#define GPU_FAULT_ADDRESS_HI		0x044	/* (RO) */
#define GPU_TIMESTAMP_OFFSET_LO		0x088
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
#define GPU_REVID			0x280
#define GPU_COHERENCY_FEATURES		0x300
#define GPU_COHERENCY_PROTOCOL		0x304
#define MCU_CONTROL			0x700
#define   MCU_CONTROL_DISABLE		0
#define   MCU_CONTROL_ENABLE		1
#define   MCU_CONTROL_AUTO		2
#define MCU_STATUS			0x704	/* (RO) */
#define   MCU_STATUS_DISABLED		0
#define   MCU_STATUS_ENABLED		1
#define   MCU_STATUS_HALT		2
#define   MCU_STATUS_FATAL		3
#define GPU_CONTROL_END			0x1000

/* Job control: what firmware tells the host */
#define JOB_INT				0x1000	/* an interrupt block */
#define   JOB_INT_GLOBAL_IF		BIT(31)
#define   JOB_INT_CSG_IF(slot)		BIT(slot)

/* MMU */
#define MMU_INT				0x2000	/* an interrupt block; BIT(as) fault */
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
#define   AS_STATUS			0x28	/* (RO) */
#define     AS_STATUS_ACTIVE		BIT(0)	/* a command is being carried out */
#define   AS_TRANSCFG_LO		0x30
#define     AS_TRANSCFG_MODE		GENMASK_ULL(3, 0)
#define     AS_TRANSCFG_MODE_UNMAPPED	1
#define     AS_TRANSCFG_MODE_AARCH64_4K	6
#define     AS_TRANSCFG_INA_BITS	GENMASK_ULL(10, 6)	/* 55 - bits of virtual address */
#define   AS_TRANSCFG_HI		0x34
#define   AS_FAULTEXTRA_LO		0x38	/* (RO) */
#define   AS_FAULTEXTRA_HI		0x3c	/* (RO) */

/* Doorbells: 0 is the global one, slot + 1 that of a group in this slot. What is written does not matter. */
#define CSF_GPU_LATEST_FLUSH_ID		0x10000	/* (RO) */
#define CSF_DOORBELL_BASE		0x80000
#define CSF_DOORBELL_STRIDE		0x10000
#define CSF_DOORBELL(n)			(CSF_DOORBELL_BASE + (n) * CSF_DOORBELL_STRIDE)
#define CSF_GLB_DOORBELL_ID		0

/* Page tables: four levels of 512 entries of 8 bytes (ARM_64_LPAE_S1, granule of 4 KiB) */
#define CSF_PTE_TYPE			GENMASK_ULL(1, 0)
#define CSF_PTE_TYPE_BLOCK		1	/* a leaf above the last level; only 2 MiB are used */
#define CSF_PTE_TYPE_TABLE		3
#define CSF_PTE_TYPE_PAGE		3	/* on the last level */
#define CSF_PTE_READ_ONLY		BIT_ULL(7)
#define CSF_PTE_ACCESSED		BIT_ULL(10)
#define CSF_PTE_ADDRESS			GENMASK_ULL(47, 12)

/* Exception codes: in AS_FAULTSTATUS, GPU_FAULT_STATUS and in the queues' FATAL and FAULT (drm_panthor exceptions) */
#define CSF_EXCEPTION_TRANSLATION_FAULT(level)	(0xc0 + (level))
#define CSF_EXCEPTION_PERM_FAULT(level)		(0xc8 + (level))
#define CSF_EXCEPTION_ACCESS_FLAG(level)	(0xd8 + (level))
#define CSF_EXCEPTION_ADDR_SIZE_FAULT_OUT(level) (0xe4 + (level))
#define CSF_EXCEPTION_GPU_BUS_FAULT		0x80
#define CSF_EXCEPTION_CS_RES_TERM		0x0f
#define CSF_EXCEPTION_CS_CONFIG_FAULT		0x40
#define CSF_EXCEPTION_CS_UNRECOVERABLE		0x41
#define CSF_EXCEPTION_CS_ENDPOINT_FAULT		0x44
#define CSF_EXCEPTION_CS_BUS_FAULT		0x48
#define CSF_EXCEPTION_CS_INSTR_INVALID		0x49
#define CSF_EXCEPTION_CS_CALL_STACK_OVERFLOW	0x4a
#define CSF_EXCEPTION_CS_INHERIT_FAULT		0x4b
#define CSF_EXCEPTION_INSTR_INVALID_PC		0x50
#define CSF_EXCEPTION_OOM			0x60
#define CSF_EXCEPTION_FW_INTERNAL_ERROR		0x68

#endif
