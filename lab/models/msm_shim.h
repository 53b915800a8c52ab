/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Force-included before every file of the unmodified msm driver, after gpu_model_shim.h.
 *
 * msm looks for its GPU in the kernel's tree of devices, where the model's node is not (gpu_model_bind.c), maps its
 * registers by devm_ioremap(), and has no timeout of the scheduler but a timer of its own, which is what the parameter
 * sched_timeout_ms stretches here. hangcheck_handler() is the only one who rounds a time up.
 */
#ifndef MSM_SHIM_H
#define MSM_SHIM_H

#include <linux/of.h>
#include <linux/timer.h>

struct device_node *gpu_model_find_matching_node(struct device_node *from, const struct of_device_id *matches);

#define of_find_matching_node	gpu_model_find_matching_node

#ifndef CONFIG_FW_LOADER
#define request_firmware_direct	gpu_model_request_firmware
#endif

static inline void __iomem *gpu_model_devm_ioremap(struct device *dev)
{
	void __iomem *window = gpu_model_ioremap_resource(to_platform_device(dev), 0);

	return IS_ERR(window) ? NULL : window;
}

/* _msm_ioremap() has taken both from the resource. */
#define devm_ioremap(dev, start, size)	((void)(start), (void)(size), gpu_model_devm_ioremap(dev))

static inline unsigned long gpu_model_hangcheck_expires(unsigned long expires)
{
	unsigned int ms = gpu_model_sched_timeout_ms();

	return round_jiffies_up(ms ? jiffies + msecs_to_jiffies(ms) : expires);
}

#define round_jiffies_up	gpu_model_hangcheck_expires

/* Its operations have no timedout_job: a timeout would end in a call of NULL. */
#undef drm_sched_init

#endif
