// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: the device that the driver binds to.
 *
 * The drivers match device-tree nodes, and x86 has a live, empty tree: a changeset adds the node, and a platform device
 * with the node, the interrupts and a clock follows. Regulators and resets may be missing: their frameworks have
 * dummies.
 */
#include <linux/clk-provider.h>
#include <linux/clkdev.h>
#include <linux/dma-mapping.h>

#include "gpu_model.h"

static int gpu_model_add_node(struct gpu_model *gm)
{
	int ret;

	of_changeset_init(&gm->changeset);
	gm->node = of_changeset_create_node(&gm->changeset, of_root, gm->desc->name);
	if (!gm->node) {
		ret = -ENOMEM;
		goto err_destroy;
	}
	/* Or the tree's own notifier makes a device from the node, one without resources, and the driver binds to that. */
	of_node_set_flag(gm->node, OF_POPULATED);

	ret = of_changeset_add_prop_string(&gm->changeset, gm->node, "compatible", gm->desc->compatible);
	if (!ret)
		ret = of_changeset_add_prop_bool(&gm->changeset, gm->node, "dma-coherent");
	if (!ret)
		ret = of_changeset_apply(&gm->changeset);
	if (!ret)
		return 0;

	of_node_put(gm->node);
err_destroy:
	of_changeset_destroy(&gm->changeset);
	return ret;
}

static void gpu_model_remove_node(struct gpu_model *gm)
{
	of_changeset_revert(&gm->changeset);
	of_node_put(gm->node);
	of_changeset_destroy(&gm->changeset);
}

static int gpu_model_add_clock(struct gpu_model *gm)
{
	gm->clk = clk_hw_register_fixed_rate(NULL, gm->desc->name, NULL, 0, gm->desc->clock_hz);
	if (IS_ERR(gm->clk))
		return PTR_ERR(gm->clk);

	gm->clk_lookup = clkdev_hw_create(gm->clk, NULL, "%s", gm->desc->name);
	if (!gm->clk_lookup) {
		clk_hw_unregister_fixed_rate(gm->clk);
		return -ENOMEM;
	}
	return 0;
}

static void gpu_model_remove_clock(struct gpu_model *gm)
{
	clkdev_drop(gm->clk_lookup);
	clk_hw_unregister_fixed_rate(gm->clk);
}

static int gpu_model_add_device(struct gpu_model *gm)
{
	struct resource res[1 + GPU_MODEL_MAX_IRQS] = {
		DEFINE_RES_MEM(gm->desc->mmio_base, gm->desc->mmio_size),
	};
	unsigned int irqs = gpu_model_count(gm->desc->irqs);
	struct platform_device_info info = {
		.fwnode = of_fwnode_handle(gm->node),
		.name = gm->desc->name,
		.id = PLATFORM_DEVID_NONE,
		.res = res,
		.num_res = 1 + irqs,
		.dma_mask = DMA_BIT_MASK(32),
	};
	unsigned int i;

	for (i = 0; i < irqs; i++)
		res[1 + i] = (struct resource)DEFINE_RES_IRQ_NAMED(gm->irqs[i].virq, gm->desc->irqs[i]);

	gm->pdev = platform_device_register_full(&info);
	return PTR_ERR_OR_ZERO(gm->pdev);
}

int gpu_model_bind(struct gpu_model *gm)
{
	int ret;

	ret = gpu_model_add_node(gm);
	if (ret)
		return ret;

	ret = gpu_model_add_clock(gm);
	if (ret)
		goto err_node;

	ret = gpu_model_add_device(gm);
	if (ret)
		goto err_clock;
	return 0;

err_clock:
	gpu_model_remove_clock(gm);
err_node:
	gpu_model_remove_node(gm);
	return ret;
}

void gpu_model_unbind(struct gpu_model *gm)
{
	platform_device_unregister(gm->pdev);
	gpu_model_remove_clock(gm);
	gpu_model_remove_node(gm);
}
