// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes functions of panfrost, and some that it calls, known to fail_function (/sys/kernel/debug/error_injection/list).
 * Nothing of the driver is changed: an entry holds a function's address, so only global functions can have one, and
 * only those that are called from another file are sure not to be inlined.
 *
 * ERRNO is for functions whose callers take an errno, as an int or as an ERR_PTR(); NULL for those whose callers check
 * for that. What runs while the driver is probed is left out, and so is what tells the driver about the hardware.
 */
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/error-injection.h>
#include <linux/io-pgtable.h>
#include <linux/scatterlist.h>
#include <linux/shmem_fs.h>

#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/gpu_scheduler.h>

#include "panfrost_device.h"
#include "panfrost_gem.h"
#include "panfrost_job.h"
#include "panfrost_mmu.h"

/* Opening the render node. */
ALLOW_ERROR_INJECTION(panfrost_mmu_ctx_create, ERRNO);
ALLOW_ERROR_INJECTION(panfrost_job_open, ERRNO);

/* Making, importing and finding buffers. */
ALLOW_ERROR_INJECTION(panfrost_gem_create, ERRNO);
ALLOW_ERROR_INJECTION(panfrost_gem_create_object, ERRNO);
ALLOW_ERROR_INJECTION(panfrost_gem_open, ERRNO);
ALLOW_ERROR_INJECTION(panfrost_gem_prime_import_sg_table, ERRNO);
ALLOW_ERROR_INJECTION(panfrost_gem_mapping_get, NULL);
ALLOW_ERROR_INJECTION(panfrost_mmu_map, ERRNO);

/* Submitting a job. */
ALLOW_ERROR_INJECTION(panfrost_job_push, ERRNO);

/*
 * Called by panfrost's static functions, which have no address that could be listed: an injection in these is to be
 * narrowed to them with a scope.
 */
ALLOW_ERROR_INJECTION(alloc_io_pgtable_ops, NULL);		/* panfrost_mmu_ctx_create() */
ALLOW_ERROR_INJECTION(dma_map_sgtable, ERRNO);			/* panfrost_mmu_map_fault_addr() */
ALLOW_ERROR_INJECTION(dma_resv_reserve_fences, ERRNO);		/* panfrost_acquire_object_fences() */
ALLOW_ERROR_INJECTION(drm_gem_handle_create, ERRNO);		/* panfrost_ioctl_create_bo() */
ALLOW_ERROR_INJECTION(drm_gem_shmem_get_pages_sgt, ERRNO);	/* panfrost_mmu_map() */
ALLOW_ERROR_INJECTION(drm_sched_job_init, ERRNO);		/* panfrost_ioctl_submit() */
ALLOW_ERROR_INJECTION(sg_alloc_table_from_pages_segment, ERRNO);	/* panfrost_mmu_map_fault_addr() */
ALLOW_ERROR_INJECTION(shmem_read_mapping_page_gfp, ERRNO);	/* panfrost_mmu_map_fault_addr() */
