/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of a Mali-400 as lima uses them (drivers/gpu/drm/lima: lima_regs.h for their places and bits, the files of each
 * block for what they do). mali_utgard_list.h has the lists that the model executes.
 */
#ifndef MALI_UTGARD_REGS_H
#define MALI_UTGARD_REGS_H

#include <linux/bits.h>
#include <linux/types.h>

#define UTGARD_MMIO_SIZE	0x30000
#define UTGARD_GP		0x00000
#define UTGARD_L2		0x01000
#define UTGARD_PMU		0x02000
#define UTGARD_MMU(unit)	(0x03000 + 0x1000 * (unit))	/* of the GP, then of each PP */
#define UTGARD_PP(n)		(0x08000 + 0x2000 * (n))
#define UTGARD_PP_END		UTGARD_PP(4)

#define PMU_POWER_UP		0x00
#define PMU_POWER_DOWN		0x04
#define   PMU_GP		BIT(0)
#define   PMU_L2		BIT(1)
#define   PMU_PP(n)		BIT(2 + (n))
#define PMU_STATUS		0x08	/* 1: off */
#define PMU_INT_MASK		0x0c
#define PMU_INT_RAWSTAT		0x10
#define PMU_INT_CLEAR		0x18
#define   PMU_INT_CMD		BIT(0)
#define PMU_SW_DELAY		0x1c

#define L2_SIZE			0x04	/* log2 of: line, ways, bytes in all, bits of the bus */
#define   L2_SIZE_OF_MODEL	0x07100206
#define L2_STATUS		0x08
#define L2_COMMAND		0x10
#define   L2_CLEAR_ALL		BIT(0)
#define L2_MAX_READS		0x18
#define L2_ENABLE		0x1c

#define MMU_DTE_ADDR		0x00
#define   MMU_DTE_ADDRESS	GENMASK(31, 12)
#define MMU_STATUS		0x04
#define   MMU_STATUS_PAGING	BIT(0)
#define   MMU_STATUS_FAULT	BIT(1)
#define   MMU_STATUS_STALL	BIT(2)
#define   MMU_STATUS_IDLE	BIT(3)
#define   MMU_STATUS_REPLAYED	BIT(4)
#define   MMU_STATUS_IS_WRITE	BIT(5)
#define   MMU_STATUS_NO_STALL	BIT(31)
#define MMU_COMMAND		0x08
#define   MMU_ENABLE_PAGING	0
#define   MMU_DISABLE_PAGING	1
#define   MMU_ENABLE_STALL	2
#define   MMU_DISABLE_STALL	3
#define   MMU_ZAP_CACHE		4
#define   MMU_PAGE_FAULT_DONE	5
#define   MMU_HARD_RESET	6
#define MMU_PAGE_FAULT_ADDR	0x0c
#define MMU_ZAP_ONE_LINE	0x10
#define MMU_UTGARD_INT		0x14	/* an interrupt block of gpu_model.h */
#define   MMU_INT_PAGE_FAULT	BIT(0)
#define   MMU_INT_BUS_ERROR	BIT(1)

#define PTE_PRESENT		BIT(0)
#define PTE_READ		BIT(1)
#define PTE_WRITE		BIT(2)
#define PTE_ADDRESS		GENMASK(31, 12)

#define GP_VSCL_START		0x00	/* the frame: six registers */
#define GP_VSCL_END		0x04
#define GP_PLBUCL_START		0x08
#define GP_PLBUCL_END		0x0c
#define GP_ALLOC_START		0x10
#define GP_ALLOC_END		0x14
#define GP_CMD			0x20
#define   GP_START_VS		BIT(0)
#define   GP_START_PLBU		BIT(1)
#define   GP_UPDATE_ALLOC	BIT(4)
#define   GP_RESET		BIT(5)
#define   GP_STOP_BUS		BIT(9)
#define   GP_SOFT_RESET		BIT(10)
#define GP_INT			0x24	/* an interrupt block */
#define   GP_INT_VS_END		BIT(0)
#define   GP_INT_PLBU_END	BIT(1)
#define   GP_INT_OUT_OF_MEM	BIT(2)
#define   GP_INT_BUS_ERROR	BIT(11)
#define   GP_INT_VS_INVALID	BIT(13)
#define   GP_INT_PLBU_INVALID	BIT(14)
#define   GP_INT_RESET_DONE	BIT(19)
#define GP_PERF_CNT_0_LIMIT	0x54
#define GP_STATUS		0x68
#define   GP_STATUS_VS		BIT(1)
#define   GP_STATUS_BUS_STOPPED	BIT(2)
#define   GP_STATUS_PLBU	BIT(3)
#define   GP_STATUS_BUS_ERROR	BIT(6)
#define GP_VERSION		0x6c
#define   GP_VERSION_OF_MODEL	0x0b070101

#define PP_FRAME		0x0000	/* 23 registers; the first is where the list lies */
#define PP_FRAME_END		0x005c
#define PP_WB			0x0100	/* three blocks, 0x100 apart, of 12 registers */
#define PP_WB_END		0x0330
#define PP_VERSION		0x1000
#define   PP_VERSION_OF_MODEL	0xcd070101
#define PP_STATUS		0x1008
#define   PP_STATUS_RENDERING	BIT(0)
#define   PP_STATUS_BUS_STOPPED	BIT(4)
#define PP_CTRL			0x100c
#define   PP_STOP_BUS		BIT(0)
#define   PP_FLUSH_CACHES	BIT(3)
#define   PP_FORCE_RESET	BIT(5)
#define   PP_START_RENDERING	BIT(6)
#define   PP_SOFT_RESET		BIT(7)
#define PP_INT			0x1020	/* an interrupt block, but RAWSTAT can be written to */
#define   PP_INT_END_OF_FRAME	BIT(0)
#define   PP_INT_BUS_ERROR	BIT(4)
#define   PP_INT_INVALID	BIT(9)
#define   PP_INT_RESET_DONE	BIT(12)
#define PP_PERF_CNT_0_LIMIT	0x1088

#endif
