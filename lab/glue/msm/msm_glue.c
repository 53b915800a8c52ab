// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the parts of msm that are left out of the module would have defined, for those that are in it: lists of GPUs with
 * nothing in them. And what a kernel without msm lacks: Qualcomm's secure monitor, which an a2xx does not need
 * (adreno_gpu.c asks for it when a later one loads its zap shader), and the trace points of gpu_mem.h.
 */
#include <linux/firmware/qcom/qcom_scm.h>

#include "adreno/adreno_gpu.h"

#define EMPTY_GPULIST(name)							\
	extern const struct adreno_gpulist name##_gpulist;			\
	const struct adreno_gpulist name##_gpulist = { .gpus_count = 0 }

EMPTY_GPULIST(a3xx);
EMPTY_GPULIST(a4xx);
EMPTY_GPULIST(a5xx);
EMPTY_GPULIST(a6xx);
EMPTY_GPULIST(a7xx);

#if !IS_ENABLED(CONFIG_QCOM_SCM)
bool qcom_scm_is_available(void)
{
	return false;
}
#endif

#ifndef CONFIG_TRACE_GPU_MEM
#define CREATE_TRACE_POINTS
#include <trace/events/gpu_mem.h>
#endif
