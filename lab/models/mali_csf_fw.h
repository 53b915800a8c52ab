/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the panthor driver and the firmware of a CSF Mali: blocks of memory in the MCU's address space,
 * as panthor_fw.h lays them out. Offsets are in bytes; fields are 32 bits wide unless a comment says otherwise.
 *
 * Where the blocks lie is the firmware's choice, except for the control blocks (panthor_fw.c, CSF_GROUP_CONTROL_OFFSET,
 * CSF_STREAM_CONTROL_OFFSET). This one has 4 groups of 8 streams.
 */
#ifndef MALI_CSF_FW_H
#define MALI_CSF_FW_H

#define CSF_NUM_CSG			4
#define CSF_NUM_CS			8
#define CSF_NUM_REGS			96	/* of a stream; the last four are the kernel's */
#define CSF_NUM_SCOREBOARDS		8

/* The shared section (CSF_MCU_SHARED_REGION_START), and where this firmware puts what */
#define CSF_SHARED_VA			0x04000000
#define CSF_SHARED_SIZE			0x8000
#define CSF_GROUP_STRIDE		0x100
#define CSF_STREAM_STRIDE		0x10

#define CSF_GLB_CONTROL			CSF_SHARED_VA
#define CSF_GLB_INPUT			(CSF_SHARED_VA + 0x2000)
#define CSF_GLB_OUTPUT			(CSF_SHARED_VA + 0x2100)
#define CSF_CSG_CONTROL(csg)		(CSF_SHARED_VA + 0x1000 + (csg) * CSF_GROUP_STRIDE)
#define CSF_CSG_INPUT(csg)		(CSF_SHARED_VA + 0x2200 + (csg) * 0x1200)
#define CSF_CSG_OUTPUT(csg)		(CSF_CSG_INPUT(csg) + 0x100)
#define CSF_CS_CONTROL(csg, cs)		(CSF_CSG_CONTROL(csg) + 0x40 + (cs) * CSF_STREAM_STRIDE)
#define CSF_CS_INPUT(csg, cs)		(CSF_CSG_INPUT(csg) + 0x200 + (cs) * 0x200)
#define CSF_CS_OUTPUT(csg, cs)		(CSF_CS_INPUT(csg, cs) + 0x100)

/* [A] What the firmware needs for a suspended group; it must not be 0, or no group can be created. */
#define CSF_SUSPEND_SIZE		0x4000
#define CSF_PROTM_SUSPEND_SIZE		0x1000

/* Global control (panthor_fw_global_control_iface) */
#define GLB_VERSION			0x00
#define   CSF_FW_VERSION		0x01010000	/* 1.1.0 */
#define GLB_FEATURES			0x04
#define GLB_INPUT_VA			0x08
#define GLB_OUTPUT_VA			0x0c
#define GLB_GROUP_NUM			0x10
#define GLB_GROUP_STRIDE		0x14
#define GLB_PERFCNT_SIZE		0x18
#define GLB_INSTR_FEATURES		0x1c

/* Global input */
#define GLB_REQ				0x00
#define   GLB_HALT			BIT(0)
#define   GLB_CFG_PROGRESS_TIMER	BIT(1)
#define   GLB_CFG_ALLOC_EN		BIT(2)
#define   GLB_CFG_POWEROFF_TIMER	BIT(3)
#define   GLB_PING			BIT(8)
#define   GLB_FWCFG_UPDATE		BIT(9)
#define   GLB_IDLE_EN			BIT(10)
#define   GLB_IDLE			BIT(26)
#define GLB_ACK_IRQ_MASK		0x04
#define GLB_DOORBELL_REQ		0x08
#define GLB_PROGRESS_TIMER		0x10
#define GLB_POWEROFF_TIMER		0x14
#define GLB_CORE_EN_MASK		0x18	/* 64 bits */
#define GLB_IDLE_TIMER			0x80

/* Global output */
#define GLB_ACK				0x00
#define GLB_DOORBELL_ACK		0x08
#define GLB_HALT_STATUS			0x10
#define   GLB_HALT_OK			0
#define   GLB_HALT_ON_PANIC		0x4e

/* Group control (panthor_fw_csg_control_iface) */
#define CSG_FEATURES			0x00
#define CSG_INPUT_VA			0x04
#define CSG_OUTPUT_VA			0x08
#define CSG_SUSPEND_SIZE		0x0c
#define CSG_PROTM_SUSPEND_SIZE		0x10
#define CSG_STREAM_NUM			0x14
#define CSG_STREAM_STRIDE		0x18

/* Group input */
#define CSG_REQ				0x00
#define   CSG_STATE			GENMASK(2, 0)
#define   CSG_STATE_TERMINATE		0
#define   CSG_STATE_START		1
#define   CSG_STATE_SUSPEND		2
#define   CSG_STATE_RESUME		3
#define   CSG_ENDPOINT_CONFIG		BIT(4)
#define   CSG_STATUS_UPDATE		BIT(5)
#define   CSG_SYNC_UPDATE		BIT(28)
#define   CSG_IDLE			BIT(29)
#define   CSG_PROGRESS_TIMER_EVENT	BIT(31)
#define CSG_ACK_IRQ_MASK		0x04
#define CSG_DOORBELL_REQ		0x08
#define CSG_CS_IRQ_ACK			0x0c
#define CSG_ENDPOINT_REQ		0x34
#define CSG_SUSPEND_BUF			0x40	/* 64 bits, in the MCU's address space */
#define CSG_PROTM_SUSPEND_BUF		0x48	/* 64 bits */
#define CSG_CONFIG			0x50	/* the number of the address space */

/* Group output */
#define CSG_ACK				0x00
#define CSG_DOORBELL_ACK		0x08
#define CSG_CS_IRQ_REQ			0x0c
#define CSG_STATUS_STATE		0x18
#define   CSG_STATUS_STATE_IS_IDLE	BIT(0)

/* Stream control (panthor_fw_cs_control_iface) */
#define CS_FEATURES			0x00
#define   CS_FEATURES_WORK_REGS		GENMASK(7, 0)	/* their number, minus one */
#define   CS_FEATURES_SCOREBOARDS	GENMASK(15, 8)
#define   CS_FEATURES_COMPUTE		BIT(16)
#define   CS_FEATURES_FRAGMENT		BIT(17)
#define   CS_FEATURES_TILER		BIT(18)
#define CS_INPUT_VA			0x04
#define CS_OUTPUT_VA			0x08

/* Stream input */
#define CS_REQ				0x00
#define   CS_STATE			GENMASK(2, 0)
#define   CS_STATE_STOP			0
#define   CS_STATE_START		1
#define   CS_EXTRACT_EVENT		BIT(4)
#define   CS_IDLE_SYNC_WAIT		BIT(8)
#define   CS_IDLE_PROTM_PENDING		BIT(9)
#define   CS_IDLE_EMPTY			BIT(10)
#define   CS_IDLE_RESOURCE_REQ		BIT(11)
#define   CS_TILER_OOM			BIT(26)
#define   CS_PROTM_PENDING		BIT(27)
#define   CS_FATAL			BIT(30)
#define   CS_FAULT			BIT(31)
#define CS_CONFIG			0x04
#define CS_ACK_IRQ_MASK			0x0c
#define CS_RINGBUF_BASE			0x10	/* 64 bits, in the group's address space */
#define CS_RINGBUF_SIZE			0x18
#define CS_HEAP_START			0x20	/* 64 bits */
#define CS_HEAP_END			0x28	/* 64 bits */
#define CS_RINGBUF_INPUT		0x30	/* 64 bits, in the MCU's address space */
#define CS_RINGBUF_OUTPUT		0x38	/* 64 bits, in the MCU's address space */

/* Stream output */
#define CS_ACK				0x00
#define CS_STATUS_CMD_PTR		0x40	/* 64 bits */
#define CS_STATUS_WAIT			0x48
#define   CS_STATUS_WAIT_SB_MASK	GENMASK(15, 0)
#define   CS_STATUS_WAIT_SYNC_COND	GENMASK(27, 24)
#define   CS_STATUS_WAIT_SYNC_64B	BIT(30)
#define   CS_STATUS_WAIT_SYNC		BIT(31)
#define CS_STATUS_WAIT_SYNC_PTR		0x50	/* 64 bits */
#define CS_STATUS_WAIT_SYNC_VALUE	0x58
#define CS_STATUS_SCOREBOARDS		0x5c
#define CS_STATUS_BLOCKED_REASON	0x60
#define   CS_STATUS_BLOCKED_REASON_UNBLOCKED	0
#define   CS_STATUS_BLOCKED_REASON_SB_WAIT	1
#define   CS_STATUS_BLOCKED_REASON_SYNC_WAIT	3
#define   CS_STATUS_BLOCKED_REASON_DEFERRED	4
#define   CS_STATUS_BLOCKED_REASON_RESOURCE	5
#define   CS_STATUS_BLOCKED_REASON_FLUSH	6
#define CS_STATUS_WAIT_SYNC_VALUE_HI	0x64
#define CS_FAULT_INFO_TYPE		0x80	/* "fault" in panthor_fw.h: type | data << 8 */
#define CS_FATAL_INFO_TYPE		0x84	/* "fatal" */
#define CS_FAULT_INFO			0x88	/* 64 bits */
#define CS_FATAL_INFO			0x90	/* 64 bits */
#define CS_HEAP_VT_START		0xc0
#define CS_HEAP_VT_END			0xc4
#define CS_HEAP_FRAG_END		0xcc
#define CS_HEAP_ADDRESS			0xd0	/* 64 bits */

/* The interface pages of a ring buffer (panthor_fw_ringbuf_input_iface, panthor_fw_ringbuf_output_iface) */
#define CS_RING_INSERT			0x00	/* 64 bits, input */
#define CS_RING_EXTRACT_INIT		0x08	/* 64 bits, input */
#define CS_RING_EXTRACT			0x00	/* 64 bits, output */
#define CS_RING_ACTIVE			0x08	/* output */

#endif
