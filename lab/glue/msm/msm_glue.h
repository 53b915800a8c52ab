/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Force-included before msm_gem_shrinker.c: what its trace points say is counted too (msm_glue.c), because the lab kernel
 * has no tracing. A name in parentheses is no macro's.
 */
#ifndef MSM_GLUE_H
#define MSM_GLUE_H

struct msm_gem_submit;
#include "msm_gpu_trace.h"

void msm_glue_shrunk(unsigned long purged, unsigned long evicted, unsigned long active_purged, unsigned long active_evicted);
void msm_glue_unmapped(unsigned long vmaps);

#define trace_msm_gem_shrink(nr_to_scan, ...)			\
do {								\
	(trace_msm_gem_shrink)(nr_to_scan, __VA_ARGS__);	\
	msm_glue_shrunk(__VA_ARGS__);				\
} while (0)

#define trace_msm_gem_purge_vmaps(unmapped)			\
do {								\
	(trace_msm_gem_purge_vmaps)(unmapped);			\
	msm_glue_unmapped(unmapped);				\
} while (0)

#endif
