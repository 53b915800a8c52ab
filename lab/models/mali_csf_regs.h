/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers, commands and exception codes of Malis with a command-stream frontend (CSF, "arch 10"), under the names that
 * the panthor driver uses (panthor_regs.h, panthor_device.h), and page tables as io-pgtable-arm.c builds them.
 */
#ifndef MALI_CSF_REGS_H
#define MALI_CSF_REGS_H

#include "mali_regs.h"

/* As far as the doorbell that the driver calls "none" (0xff): a write there is a fault of the driver, and is to be seen. */
#define CSF_MMIO_SIZE			0x1080000

/* GPU control */
#define GPU_CSF_ID			0x01c
#define   GPU_IRQ_FAULT			BIT(0)
#define   GPU_IRQ_PROTM_FAULT		BIT(1)
#define   GPU_CMD_TYPE			GENMASK(7, 0)
#define   GPU_CMD_PAYLOAD		GENMASK(31, 8)
#define   GPU_CMD_RESET			1
#define     GPU_CMD_RESET_SOFT		1
#define     GPU_CMD_RESET_HARD		2
#define   GPU_CMD_FLUSH_CACHES		4
#define GPU_TIMESTAMP_OFFSET_LO		0x088
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

/* Job control: what firmware tells the host */
#define   JOB_INT_GLOBAL_IF		BIT(31)
#define   JOB_INT_CSG_IF(slot)		BIT(slot)

/* MMU */
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
