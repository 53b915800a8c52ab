// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the parts of msm that are left out of the module would have defined, for those that are in it: lists of GPUs with
 * nothing in them. And what a kernel without msm lacks: Qualcomm's secure monitor, which an a2xx does not need
 * (adreno_gpu.c asks for it when a later one loads its zap shader), and the trace points of gpu_mem.h.
 *
 * And counters of what its shrinker took, as its trace points tell (msm_glue.h): parameters of the module that can be read only.
 */
#include <linux/atomic.h>
#include <linux/firmware/qcom/qcom_scm.h>
#include <linux/moduleparam.h>

#include "adreno/adreno_gpu.h"
#include "msm_glue.h"

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

static int counter_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%lld\n", atomic64_read(param->arg));
}

static const struct kernel_param_ops counter_ops = { .get = counter_get };

#define COUNTER(name)								\
	static atomic64_t name;							\
	module_param_cb(name, &counter_ops, &name, 0444)

COUNTER(shrunk_purged_pages);
COUNTER(shrunk_evicted_pages);
COUNTER(shrunk_active_purged_pages);	/* after a wait for the GPU, as is the next */
COUNTER(shrunk_active_evicted_pages);
COUNTER(shrunk_vmaps);

void msm_glue_shrunk(unsigned long purged, unsigned long evicted, unsigned long active_purged, unsigned long active_evicted)
{
	atomic64_add(purged, &shrunk_purged_pages);
	atomic64_add(evicted, &shrunk_evicted_pages);
	atomic64_add(active_purged, &shrunk_active_purged_pages);
	atomic64_add(active_evicted, &shrunk_active_evicted_pages);
}

void msm_glue_unmapped(unsigned long vmaps)
{
	atomic64_add(vmaps, &shrunk_vmaps);
}

/* Last, since it makes a definition of each trace point that is included from here on. */
#ifndef CONFIG_TRACE_GPU_MEM
#define CREATE_TRACE_POINTS
#include <trace/events/gpu_mem.h>
#endif
