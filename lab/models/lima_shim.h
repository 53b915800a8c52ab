/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Force-included before every file of the unmodified lima driver, after gpu_model_shim.h.
 *
 * An artefact of x86 is kept away here, which is none of lima. lima_gem_create_object() always asks for write-combined
 * memory (map_wc). On Arm that is a matter of mappings only; on x86 drm_gem_shmem_helper.c also changes the kernel's own
 * mapping of each page, and back when the BO is freed (drm_gem_shmem_put_pages(), set_pages_array_wb()): there it takes
 * the pages of a heap that has not grown to its end, which are NULL, for pages, and change_page_attr() warns. So BOs are
 * told that they are not write-combined once they are made. The GPU model sees the CPU's caches, nothing needs it to be.
 */
#ifndef LIMA_SHIM_H
#define LIMA_SHIM_H

#include <drm/drm_gem_shmem_helper.h>

static inline struct drm_gem_shmem_object *gpu_model_shmem_create(struct drm_device *dev, size_t size)
{
	struct drm_gem_shmem_object *shmem = drm_gem_shmem_create(dev, size);

	if (!IS_ERR(shmem))
		shmem->map_wc = false;
	return shmem;
}

#define drm_gem_shmem_create gpu_model_shmem_create

#endif
