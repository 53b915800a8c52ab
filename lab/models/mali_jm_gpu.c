// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali with a Job Manager: the GPU control block (identification, reset, power, caches, cycle counter).
 *
 * Commands are complete, and power transitions over, when the write returns: PWRTRANS always reads 0. [A] Real cores
 * take microseconds, which a driver waits for and a model need not imitate.
 * There are no caches to clean: CLEAN_CACHES only reports. There are no performance counters: their registers keep what
 * is written, PERFCNT_CLEAR has nothing to clear, and PERFCNT_SAMPLE reports without a write to memory.
 */
#include <linux/ktime.h>	/* brings timekeeping.h, which is not to be included by itself in 6.1 */

#include "mali_jm.h"

#define MALI_SHADER_PRESENT	0xf
#define MALI_TILER_PRESENT	0x1
#define MALI_L2_PRESENT		0x1

struct mali_gpu_constant {
	u32 reg;
	u32 val;
};

/* Registers of the feature ranges that are not named here read 0. */
static const struct mali_gpu_constant mali_gpu_constants[] = {
	{ GPU_ID, 0x08602000 },			/* T860 r2p0 */
	{ GPU_L2_FEATURES, 0x07130206 },
	{ GPU_TILER_FEATURES, 0x809 },
	{ GPU_MMU_FEATURES, 0x2830 },		/* 48 bits of virtual address, 40 of physical */
	{ GPU_AS_PRESENT, BIT(MALI_NUM_AS) - 1 },
	{ GPU_JS_PRESENT, BIT(MALI_NUM_JS) - 1 },
	{ GPU_THREAD_MAX_THREADS, 256 },
	{ GPU_THREAD_MAX_WORKGROUP_SIZE, 256 },
	{ GPU_THREAD_MAX_BARRIER_SIZE, 256 },
	{ GPU_THREAD_FEATURES, 0x0a040400 },
	{ GPU_JS_FEATURES(0), 0x20e },
	{ GPU_JS_FEATURES(1), 0x1fe },
	{ GPU_JS_FEATURES(2), 0x1fe },
	{ GPU_SHADER_PRESENT_LO, MALI_SHADER_PRESENT },
	{ GPU_TILER_PRESENT_LO, MALI_TILER_PRESENT },
	{ GPU_L2_PRESENT_LO, MALI_L2_PRESENT },
};

static bool mali_gpu_is_feature(u32 reg)
{
	return reg < GPU_INT ||					/* identification */
	       reg == 0x04c ||					/* AFBC */
	       (reg >= GPU_THREAD_MAX_THREADS && reg < 0x130) ||	/* threads, textures, slots, cores */
	       reg == 0x300 || reg == 0x310 ||			/* coherency, thread-local storage */
	       reg == 0xe00 || reg == 0xe04;			/* core stacks */
}

static u32 mali_gpu_feature(u32 reg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mali_gpu_constants); i++) {
		if (mali_gpu_constants[i].reg == reg)
			return mali_gpu_constants[i].val;
	}
	return 0;
}

static u32 *mali_gpu_latch(struct mali_gpu *gpu, u32 reg)
{
	if (reg >= GPU_PERFCNT_BASE_LO && reg <= GPU_PRFCNT_MMU_L2_EN)
		return &gpu->latches[0][(reg - GPU_PERFCNT_BASE_LO) / 4];
	if (reg >= GPU_JM_CONFIG && reg <= GPU_L2_MMU_CONFIG)
		return &gpu->latches[1][(reg - GPU_JM_CONFIG) / 4];
	return NULL;
}

u64 mali_gpu_cycles(struct mali_jm *jm)
{
	struct mali_gpu *gpu = &jm->gpu;

	if (!gpu->counting)
		return gpu->cycles;
	return (ktime_get_mono_fast_ns() - gpu->cycles_from) / (NSEC_PER_SEC / MALI_CLOCK_HZ);
}

static void mali_gpu_count_cycles(struct mali_jm *jm, bool on)
{
	struct mali_gpu *gpu = &jm->gpu;

	if (on && !gpu->counting)
		gpu->cycles_from = ktime_get_mono_fast_ns() - gpu->cycles * (NSEC_PER_SEC / MALI_CLOCK_HZ);
	else if (!on)
		gpu->cycles = mali_gpu_cycles(jm);
	gpu->counting = on;
}

/* A job needs the L2 and at least one of the shader cores that it asks for. */
bool mali_gpu_powered(struct mali_jm *jm, u64 affinity)
{
	return jm->gpu.l2_ready && (jm->gpu.shader_ready & affinity);
}

/* [A] Jobs, address spaces, power, configuration and interrupt masks are gone. What was counted or planted stays. */
static void mali_gpu_reset(struct mali_jm *jm)
{
	unsigned int i;

	mali_js_reset(jm);
	mali_mmu_reset(jm);
	memset(&jm->gpu, 0, sizeof(jm->gpu));
	for (i = MALI_IRQ_JOB; i <= MALI_IRQ_GPU; i++)
		gpu_model_irq_reset(&jm->gm.irqs[i]);
	jm->gm.counters[MALI_RESETS]++;
	gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_GPU], GPU_IRQ_RESET_COMPLETED, false);
}

static void mali_gpu_command(struct mali_jm *jm, u32 cmd)
{
	switch (cmd) {
	case GPU_CMD_NOP:
	case GPU_CMD_PERFCNT_CLEAR:
		break;
	case GPU_CMD_PERFCNT_SAMPLE:
		gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_GPU], GPU_IRQ_PERFCNT_SAMPLE_COMPLETED, false);
		break;
	case GPU_CMD_SOFT_RESET:
	case GPU_CMD_HARD_RESET:
		mali_gpu_reset(jm);
		break;
	case GPU_CMD_CYCLE_COUNT_START:
	case GPU_CMD_CYCLE_COUNT_STOP:
		mali_gpu_count_cycles(jm, cmd == GPU_CMD_CYCLE_COUNT_START);
		break;
	case GPU_CMD_CLEAN_CACHES:
	case GPU_CMD_CLEAN_INV_CACHES:
		jm->gpu.flush_id++;
		gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_GPU], GPU_IRQ_CLEAN_CACHES_COMPLETED, false);
		break;
	default:
		gpu_model_unsupported(&jm->gm, "GPU command %u", cmd);
	}
}

static void mali_gpu_power(struct mali_jm *jm, u64 *ready, u64 present, u32 cores, bool on)
{
	if (on)
		*ready |= present & cores;
	else
		*ready &= ~(u64)cores;
	gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_GPU], GPU_IRQ_POWER_CHANGED | GPU_IRQ_POWER_CHANGED_ALL, false);
}

u32 mali_gpu_read(struct mali_jm *jm, u32 reg)
{
	u32 *latch = mali_gpu_latch(&jm->gpu, reg);

	if (latch)
		return *latch;
	if (mali_gpu_is_feature(reg))
		return mali_gpu_feature(reg);

	switch (reg) {
	case GPU_INT ... GPU_INT + GPU_MODEL_IRQ_STAT:
		return gpu_model_irq_read(&jm->gm.irqs[MALI_IRQ_GPU], reg - GPU_INT);
	case GPU_STATUS:
	case GPU_FAULT_STATUS:
	case GPU_FAULT_ADDRESS_LO:
	case GPU_FAULT_ADDRESS_HI:
	case SHADER_PWRTRANS_LO ... L2_PWRTRANS_LO + 4:
		return 0;
	case GPU_LATEST_FLUSH_ID:
		return jm->gpu.flush_id;
	case GPU_CYCLE_COUNT_LO:
	case GPU_CYCLE_COUNT_HI:
		return gpu_model_half(mali_gpu_cycles(jm), reg);
	case GPU_TIMESTAMP_LO:
	case GPU_TIMESTAMP_HI:
		return gpu_model_half(ktime_get_mono_fast_ns(), reg);
	case SHADER_READY_LO:
	case SHADER_READY_LO + 4:
		return gpu_model_half(jm->gpu.shader_ready, reg);
	case TILER_READY_LO:
	case TILER_READY_LO + 4:
		return gpu_model_half(jm->gpu.tiler_ready, reg);
	case L2_READY_LO:
	case L2_READY_LO + 4:
		return gpu_model_half(jm->gpu.l2_ready, reg);
	default:
		gpu_model_unsupported(&jm->gm, "read of GPU register 0x%x", reg);
		return 0;
	}
}

void mali_gpu_write(struct mali_jm *jm, u32 reg, u32 val)
{
	u32 *latch = mali_gpu_latch(&jm->gpu, reg);

	if (latch) {
		*latch = val;
		return;
	}

	switch (reg) {
	case GPU_INT ... GPU_INT + GPU_MODEL_IRQ_STAT:
		gpu_model_irq_write(&jm->gm.irqs[MALI_IRQ_GPU], reg - GPU_INT, val);
		break;
	case GPU_CMD:
		mali_gpu_command(jm, val);
		break;
	case SHADER_PWRON_LO:
	case SHADER_PWROFF_LO:
		mali_gpu_power(jm, &jm->gpu.shader_ready, MALI_SHADER_PRESENT, val, reg == SHADER_PWRON_LO);
		break;
	case TILER_PWRON_LO:
	case TILER_PWROFF_LO:
		mali_gpu_power(jm, &jm->gpu.tiler_ready, MALI_TILER_PRESENT, val, reg == TILER_PWRON_LO);
		break;
	case L2_PWRON_LO:
	case L2_PWROFF_LO:
		mali_gpu_power(jm, &jm->gpu.l2_ready, MALI_L2_PRESENT, val, reg == L2_PWRON_LO);
		break;
	default:
		gpu_model_unsupported(&jm->gm, "write of 0x%x to GPU register 0x%x", val, reg);
	}
}
