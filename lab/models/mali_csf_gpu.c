// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the GPU control block (identification, reset, power of the L2 cache, cache flushes).
 *
 * Values are those of a G610 in an RK3588; the driver computes with the L2's line size, the sizes in MMU_FEATURES and
 * the sets of cores, and only shows the others. Shader cores and tiler are powered by the firmware, so the driver does
 * not touch their registers.
 *
 * Commands are complete, and power transitions over, when the write returns. [A] A soft reset clears the address spaces,
 * the MCU, the power and RAWSTAT of all three interrupt blocks, and keeps their masks: panthor_gpu_soft_reset() waits
 * for the interrupt without setting the mask again. What was counted or planted stays.
 * There are no caches: FLUSH_CACHES only reports, and counts up the flush id.
 */
#include <linux/bitfield.h>
#include <linux/ktime.h>	/* brings timekeeping.h, which is not to be included by itself in 6.1 */

#include "mali_csf.h"

#define CSF_SHADER_PRESENT	0x50005
#define CSF_TILER_PRESENT	0x1
#define CSF_L2_PRESENT		0x1

struct csf_gpu_constant {
	u32 reg;
	u32 val;
};

/* Registers of the feature ranges that are not named here read 0. */
static const struct csf_gpu_constant csf_gpu_constants[] = {
	{ GPU_ID, 0xa8670005 },			/* G610, architecture 10.8 */
	{ GPU_L2_FEATURES, 0x07120306 },	/* lines of 64 bytes */
	{ GPU_TILER_FEATURES, 0x809 },
	{ GPU_MEM_FEATURES, 0x301 },
	{ GPU_MMU_FEATURES, 0x2830 },		/* 48 bits of virtual address, 40 of physical */
	{ GPU_CSF_ID, 0x40000 },
	{ GPU_THREAD_MAX_THREADS, 2048 },
	{ GPU_THREAD_MAX_WORKGROUP_SIZE, 1024 },
	{ GPU_THREAD_MAX_BARRIER_SIZE, 1024 },
	{ GPU_THREAD_FEATURES, 0x04010000 },
	{ GPU_SHADER_PRESENT_LO, CSF_SHADER_PRESENT },
	{ GPU_TILER_PRESENT_LO, CSF_TILER_PRESENT },
	{ GPU_L2_PRESENT_LO, CSF_L2_PRESENT },
	{ GPU_COHERENCY_FEATURES, 1 },
};

static bool csf_gpu_is_feature(u32 reg)
{
	return reg < GPU_INT ||
	       (reg >= GPU_THREAD_MAX_THREADS && reg <= GPU_TEXTURE_FEATURES(3)) ||
	       (reg >= GPU_SHADER_PRESENT_LO && reg <= GPU_L2_PRESENT_LO + 4) ||
	       reg == GPU_REVID || reg == GPU_COHERENCY_FEATURES;
}

static u32 csf_gpu_feature(const struct mali_csf *csf, u32 reg)
{
	unsigned int i;

	if (reg == GPU_AS_PRESENT)
		return BIT(csf->num_as) - 1;
	for (i = 0; i < ARRAY_SIZE(csf_gpu_constants); i++) {
		if (csf_gpu_constants[i].reg == reg)
			return csf_gpu_constants[i].val;
	}
	return 0;
}

/* Something is done, unless that it is done is to be lost (see enum csf_fault). */
static void csf_gpu_report(struct mali_csf *csf, u32 event, enum csf_fault lose)
{
	u64 line_only = 1;
	bool lost = gpu_model_fault_hit(&csf->gm, lose, &line_only);

	if (!lost || line_only)
		gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_GPU], event, lost);
}

void csf_gpu_fault(struct mali_csf *csf, u32 status)
{
	csf->gpu.fault_status = status;
	gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_GPU], GPU_IRQ_FAULT, false);
}

static void csf_gpu_reset(struct mali_csf *csf)
{
	u32 flush_id = csf->gpu.flush_id;
	unsigned int i;

	csf_mcu_reset(csf);
	csf_mmu_reset(csf);
	memset(&csf->gpu, 0, sizeof(csf->gpu));
	csf->gpu.flush_id = flush_id;
	for (i = CSF_IRQ_JOB; i <= CSF_IRQ_GPU; i++)
		csf->gm.irqs[i].rawstat = 0;
	csf->gm.counters[CSF_RESETS]++;
	csf_gpu_report(csf, GPU_IRQ_RESET_COMPLETED, CSF_FAULT_LOSE_RESET);
}

static void csf_gpu_command(struct mali_csf *csf, u32 cmd)
{
	u32 payload = FIELD_GET(GPU_CMD_PAYLOAD, cmd);

	switch (FIELD_GET(GPU_CMD_TYPE, cmd)) {
	case GPU_CMD_RESET:
		if (payload != GPU_CMD_RESET_SOFT && payload != GPU_CMD_RESET_HARD)
			break;
		csf_gpu_reset(csf);
		return;
	case GPU_CMD_FLUSH_CACHES:
		csf->gpu.flush_id = (csf->gpu.flush_id + 1) & GENMASK(23, 0);
		csf->gm.counters[CSF_CACHE_FLUSHES]++;
		csf_gpu_report(csf, GPU_IRQ_CLEAN_CACHES_COMPLETED, CSF_FAULT_LOSE_FLUSH);
		return;
	}
	gpu_model_unsupported(&csf->gm, "GPU command 0x%x", cmd);
}

static void csf_gpu_l2_on(struct mali_csf *csf, u32 reg, u32 cores)
{
	u64 mask = 0, unused;

	gpu_model_set_half(&mask, reg, cores & CSF_L2_PRESENT);
	if (mask && gpu_model_fault_hit(&csf->gm, CSF_FAULT_STICK_L2, &unused))
		return;
	csf->gpu.l2_ready |= mask;
	gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_GPU], GPU_IRQ_POWER_CHANGED | GPU_IRQ_POWER_CHANGED_ALL, false);
}

static void csf_gpu_l2_off(struct mali_csf *csf, u32 reg, u32 cores)
{
	u64 mask = 0;

	gpu_model_set_half(&mask, reg, cores);
	csf->gpu.l2_ready &= ~mask;
	gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_GPU], GPU_IRQ_POWER_CHANGED | GPU_IRQ_POWER_CHANGED_ALL, false);
}

u32 csf_gpu_read(struct mali_csf *csf, u32 reg)
{
	struct csf_gpu *gpu = &csf->gpu;

	if (csf_gpu_is_feature(reg))
		return csf_gpu_feature(csf, reg);

	switch (reg) {
	case GPU_INT ... GPU_INT + GPU_MODEL_IRQ_STAT:
		return gpu_model_irq_read(&csf->gm.irqs[CSF_IRQ_GPU], reg - GPU_INT);
	case GPU_STATUS:
	case GPU_FAULT_ADDRESS_LO:
	case GPU_FAULT_ADDRESS_HI:
	case L2_PWRTRANS_LO:
	case L2_PWRTRANS_LO + 4:
		return 0;
	case GPU_FAULT_STATUS:
		return gpu->fault_status;
	case GPU_TIMESTAMP_OFFSET_LO:
	case GPU_TIMESTAMP_OFFSET_LO + 4:
		return gpu_model_half(gpu->timestamp_offset, reg);
	case GPU_CYCLE_COUNT_LO:
	case GPU_CYCLE_COUNT_LO + 4:
	case GPU_TIMESTAMP_LO:
	case GPU_TIMESTAMP_LO + 4:
		return gpu_model_half(ktime_get_mono_fast_ns(), reg);
	case L2_READY_LO:
	case L2_READY_LO + 4:
		return gpu_model_half(gpu->l2_ready, reg);
	case GPU_COHERENCY_PROTOCOL:
		return gpu->coherency_protocol;
	case MCU_CONTROL:
		return csf->mcu.control;
	case MCU_STATUS:
		return csf_mcu_status(csf);
	default:
		gpu_model_unsupported(&csf->gm, "read of GPU register 0x%x", reg);
		return 0;
	}
}

void csf_gpu_write(struct mali_csf *csf, u32 reg, u32 val)
{
	switch (reg) {
	case GPU_INT ... GPU_INT + GPU_MODEL_IRQ_STAT:
		gpu_model_irq_write(&csf->gm.irqs[CSF_IRQ_GPU], reg - GPU_INT, val);
		break;
	case GPU_CMD:
		csf_gpu_command(csf, val);
		break;
	case GPU_TIMESTAMP_OFFSET_LO:
	case GPU_TIMESTAMP_OFFSET_LO + 4:
		gpu_model_set_half(&csf->gpu.timestamp_offset, reg, val);
		break;
	case GPU_COHERENCY_PROTOCOL:
		csf->gpu.coherency_protocol = val;
		break;
	case L2_PWRON_LO:
	case L2_PWRON_LO + 4:
		csf_gpu_l2_on(csf, reg, val);
		break;
	case L2_PWROFF_LO:
	case L2_PWROFF_LO + 4:
		csf_gpu_l2_off(csf, reg, val);
		break;
	case MCU_CONTROL:
		csf_mcu_control(csf, val);
		break;
	default:
		gpu_model_unsupported(&csf->gm, "write of 0x%x to GPU register 0x%x", val, reg);
	}
}
