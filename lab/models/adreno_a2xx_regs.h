/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of an Adreno a2xx as indices of 32-bit words, packets of its CP, entries of its page table. Names and numbers
 * are those of the driver (drivers/gpu/drm/msm/registers/adreno/{a2xx,adreno_common,adreno_pm4}.xml, a2xx_gpummu.c).
 */
#ifndef ADRENO_A2XX_REGS_H
#define ADRENO_A2XX_REGS_H

#include <linux/bits.h>

#define A2XX_REGS			0x8000u	/* 128 KiB of registers: what a type 0 packet can name */

#define REG_A2XX_RBBM_SOFT_RESET	0x003cu	/* held in reset while it is not 0 */
#define REG_A2XX_MH_MMU_CONFIG		0x0040u
#define   A2XX_MH_MMU_CONFIG_MMU_ENABLE	BIT(0)
#define REG_A2XX_MH_MMU_VA_RANGE	0x0041u
#define   A2XX_MH_MMU_VA_RANGE_REGIONS	GENMASK(11, 0)	/* of 64 KiB */
#define   A2XX_MH_MMU_VA_RANGE_VA_BASE	GENMASK(31, 12)
#define REG_A2XX_MH_MMU_PT_BASE		0x0042u
#define REG_A2XX_MH_MMU_PAGE_FAULT	0x0043u	/* (RO); bits [A]: as in the yamato headers of kgsl */
#define   A2XX_PAGE_FAULT		BIT(0)
#define   A2XX_PAGE_FAULT_IS_WRITE	BIT(1)
#define   A2XX_PAGE_FAULT_OUT_OF_RANGE	BIT(8)
#define   A2XX_PAGE_FAULT_READ_PROT	BIT(9)
#define   A2XX_PAGE_FAULT_WRITE_PROT	BIT(10)
#define   A2XX_PAGE_FAULT_REQ_VA	GENMASK(31, 12)
#define REG_A2XX_MH_MMU_TRAN_ERROR	0x0044u
#define REG_A2XX_MH_MMU_INVALIDATE	0x0045u	/* (WO) */
#define   A2XX_MH_MMU_INVALIDATE_ALL	BIT(0)
#define REG_AXXX_CP_RB_BASE		0x01c0u
#define REG_AXXX_CP_RB_CNTL		0x01c1u
#define   AXXX_CP_RB_CNTL_BUFSZ		GENMASK(5, 0)	/* log2 of 64-bit words */
#define REG_AXXX_CP_RB_RPTR		0x01c4u	/* (RO) in words, as WPTR */
#define REG_AXXX_CP_RB_WPTR		0x01c5u
#define REG_AXXX_CP_INT_CNTL		0x01f2u
#define   A2XX_CP_INT_OPCODE_ERROR	BIT(24)
#define   A2XX_CP_INT_PROTECTED_ERROR	BIT(25)
#define   A2XX_CP_INT_IB_ERROR		BIT(27)
#define   A2XX_CP_INT_IB2		BIT(29)
#define   A2XX_CP_INT_IB1		BIT(30)
#define   A2XX_CP_INT_RB		BIT(31)
#define REG_AXXX_CP_INT_STATUS		0x01f3u	/* (RO) */
#define REG_AXXX_CP_INT_ACK		0x01f4u	/* (WO) write one to clear */
#define REG_AXXX_CP_ME_CNTL		0x01f6u
#define   AXXX_CP_ME_CNTL_HALT		BIT(28)
#define REG_A2XX_RBBM_INT_CNTL		0x03b4u
#define REG_A2XX_RBBM_INT_STATUS	0x03b5u	/* (RO) */
#define REG_A2XX_RBBM_INT_ACK		0x03b6u	/* (WO) */
#define REG_A2XX_MASTER_INT_SIGNAL	0x03b7u	/* (RO) */
#define   A2XX_MASTER_INT_MH		BIT(5)
#define   A2XX_MASTER_INT_CP		BIT(30)
#define   A2XX_MASTER_INT_RBBM		BIT(31)
#define REG_AXXX_CP_SCRATCH_REG0	0x0578u
#define REG_AXXX_CP_SCRATCH_REG7	0x057fu
#define REG_A2XX_RBBM_STATUS		0x05d0u	/* (RO) */
#define   A2XX_RBBM_STATUS_GUI_ACTIVE	BIT(31)
#define REG_A2XX_MH_INTERRUPT_MASK	0x0a42u
#define   A2XX_MH_INT_AXI_READ_ERROR	BIT(0)
#define   A2XX_MH_INT_AXI_WRITE_ERROR	BIT(1)
#define   A2XX_MH_INT_MMU_PAGE_FAULT	BIT(2)
#define REG_A2XX_MH_INTERRUPT_STATUS	0x0a43u	/* (RO) */
#define REG_A2XX_MH_INTERRUPT_CLEAR	0x0a44u	/* (WO) */
#define A2XX_CONTEXT_REGS		0x2000u	/* state of drawing from here on, which streams may set */

/* Packets: adreno_gpu.h, OUT_PKT0() and its like. */
#define A2XX_PKT_TYPE			GENMASK(31, 30)
#define A2XX_PKT_COUNT			GENMASK(29, 16)	/* words behind the header, less one */
#define A2XX_PKT0_REG			GENMASK(14, 0)
#define A2XX_PKT3_OPCODE		GENMASK(15, 8)

#define CP_NOP				0x10u
#define CP_WAIT_FOR_IDLE		0x26u
#define CP_INDIRECT_BUFFER_PFD		0x37u	/* address, words */
#define CP_MEM_WRITE			0x3du	/* address, values */
#define CP_INDIRECT_BUFFER_PFE		0x3fu
#define CP_INTERRUPT			0x40u	/* events */
#define CP_EVENT_WRITE			0x46u	/* event, and with a time stamp: address, value */
#define CP_ME_INIT			0x48u
#define CP_SET_PROTECTED_MODE		0x5fu

/* An entry of the page table, one for each 4 KiB from VA_BASE on: a2xx_gpummu_map(). */
#define A2XX_PTE_WRITE			BIT(0)
#define A2XX_PTE_READ			BIT(1)
#define A2XX_PTE_ADDRESS		GENMASK(31, 12)

#endif
