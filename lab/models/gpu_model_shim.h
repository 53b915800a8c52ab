/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Force-included before every file of an unmodified driver, so that the driver's register accesses reach a GPU model.
 *
 * The accessors are object-like macros: that also catches the places which pass an accessor's bare name on, such as
 * readl_poll_timeout(). The headers come first, so that inline functions in them keep the real accessors.
 */
#ifndef GPU_MODEL_SHIM_H
#define GPU_MODEL_SHIM_H

#include <linux/firmware.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/platform_device.h>
#include <drm/gpu_scheduler.h>

u32 gpu_model_readl(const volatile void __iomem *addr);
void gpu_model_writel(u32 val, volatile void __iomem *addr);
void __iomem *gpu_model_ioremap_resource(struct platform_device *pdev, unsigned int index);
void __iomem *gpu_model_get_and_ioremap_resource(struct platform_device *pdev, unsigned int index, struct resource **res);
unsigned int gpu_model_sched_timeout_ms(void);
int gpu_model_request_firmware(const struct firmware **fw, const char *name, struct device *dev);
void gpu_model_release_firmware(const struct firmware *fw);

#undef readl
#undef readl_relaxed
#undef writel
#undef writel_relaxed
#define readl			gpu_model_readl
#define readl_relaxed		gpu_model_readl
#define writel			gpu_model_writel
#define writel_relaxed		gpu_model_writel

#define devm_platform_ioremap_resource		gpu_model_ioremap_resource
#define devm_platform_get_and_ioremap_resource	gpu_model_get_and_ioremap_resource

/* A kernel without CONFIG_FW_LOADER refuses every request for firmware, though the file is there. */
#ifndef CONFIG_FW_LOADER
#define request_firmware	gpu_model_request_firmware
#define release_firmware	gpu_model_release_firmware
#endif

/*
 * drm_sched_init() has changed its arguments several times, but the scheduler has always kept the timeout in the same
 * member and does not look at it before the first job: so it is overwritten afterwards.
 */
static long gpu_model_own_timeout __maybe_unused; /* the driver's, in jiffies; one for each file, and the same each time */

static inline int gpu_model_sched_initialised(struct drm_gpu_scheduler *sched, int err)
{
	if (!err)
		gpu_model_own_timeout = sched->timeout;
	if (!err && gpu_model_sched_timeout_ms())
		sched->timeout = msecs_to_jiffies(gpu_model_sched_timeout_ms());
	return err;
}

/*
 * panthor stops the clock of queues that have no slot, and warns when more is left of it than its own timeout
 * (cs_slot_reset_locked()): it is told what is left in its own time.
 */
static inline unsigned long gpu_model_suspend_timeout(struct drm_gpu_scheduler *sched)
{
	return mult_frac(drm_sched_suspend_timeout(sched), gpu_model_own_timeout, sched->timeout);
}

static inline void gpu_model_resume_timeout(struct drm_gpu_scheduler *sched, unsigned long remaining)
{
	drm_sched_resume_timeout(sched, mult_frac(remaining, sched->timeout, gpu_model_own_timeout));
}

#define drm_sched_suspend_timeout	gpu_model_suspend_timeout
#define drm_sched_resume_timeout	gpu_model_resume_timeout

#define drm_sched_init(sched, ...) \
	gpu_model_sched_initialised(sched, drm_sched_init(sched, __VA_ARGS__))

#endif
