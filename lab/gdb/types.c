/* SPDX-License-Identifier: GPL-2.0-only */
/* Types for the debugger (harness/drmsqueeze/exact_gdb.py). It is compiled and never loaded. */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/workqueue.h>

#include <asm/switch_to.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/gpu_scheduler.h>

MODULE_DESCRIPTION("Types of the kernel for a debugger");
MODULE_LICENSE("GPL");
