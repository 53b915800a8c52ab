// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: the device that the driver binds to.
 *
 * The drivers match device-tree nodes. A node need not be part of a tree for that, and x86 has a tree only since 6.9: so
 * this one stands alone, with its directory in sysfs below that of this module. A platform device with the node, the
 * interrupts and a clock follows. Regulators and resets may be missing: their frameworks have dummies. Only a driver that
 * sets the regulators of its OPP table gets no dummy (dev_pm_opp_set_regulators() asks for optional ones): it needs
 * `supply`. OPP tables of the second kind are nodes that are found by their handle, which a node that stands alone is not;
 * those of the first kind are a property of the device's own node, and just as good.
 */
#include <linux/clk-provider.h>
#include <linux/clkdev.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/regulator/fixed.h>
#include <linux/regulator/machine.h>
#include <linux/slab.h>

#include "gpu_model.h"

static bool dma_noncoherent;
module_param(dma_noncoherent, bool, 0444);
MODULE_PARM_DESC(dma_noncoherent, "Tell drivers that the GPU does not see the CPU's caches (it does)");

struct gpu_model_node {
	struct device_node of;
	struct property compatible;
	struct property dma_coherent;
	struct property operating_points;
	__be32 operating_point[2];	/* kHz, uV */
	struct regulator_consumer_supply consumer;
	struct regulator_init_data supply;
};

static void gpu_model_node_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct gpu_model_node, of.kobj));
}

static struct kobj_type gpu_model_node_type = {
	.release = gpu_model_node_release,
	.sysfs_ops = &kobj_sysfs_ops,
};

static int gpu_model_add_node(struct gpu_model *gm)
{
	struct gpu_model_node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;

	node->compatible.name = "compatible";
	node->compatible.value = (void *)gm->desc->compatible;
	node->compatible.length = gm->desc->compatible_size ?: strlen(gm->desc->compatible) + 1;
	node->compatible.next = &node->dma_coherent;
	node->dma_coherent.name = dma_noncoherent ? "dma-noncoherent" : "dma-coherent";
	if (gm->desc->supply) {
		node->dma_coherent.next = &node->operating_points;
		node->operating_points.name = "operating-points";
		node->operating_points.value = node->operating_point;
		node->operating_points.length = sizeof(node->operating_point);
		node->operating_point[0] = cpu_to_be32(gm->desc->clock_hz / 1000);
		node->operating_point[1] = cpu_to_be32(gm->desc->supply_uv);
	}

	/* of_node_init() is for the kernel itself: its type, whose release wants parts of their own, is not exported. */
	node->of.name = gm->desc->name;
	node->of.full_name = gm->desc->name;
	node->of.properties = &node->compatible;
	fwnode_init(&node->of.fwnode, &of_fwnode_ops);

	ret = kobject_init_and_add(&node->of.kobj, &gpu_model_node_type, &THIS_MODULE->mkobj.kobj, "%s", gm->desc->name);
	if (ret) {
		kobject_put(&node->of.kobj);
		return ret;
	}
	gm->node = &node->of;
	return 0;
}

static void gpu_model_remove_node(struct gpu_model *gm)
{
	kobject_del(&gm->node->kobj);
	of_node_put(gm->node);
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

static int gpu_model_add_supply(struct gpu_model *gm)
{
	struct gpu_model_node *node = container_of(gm->node, struct gpu_model_node, of);
	struct fixed_voltage_config config = {
		.supply_name = gm->desc->name,
		.microvolts = gm->desc->supply_uv,
		.init_data = &node->supply,
	};

	if (!gm->desc->supply)
		return 0;

	node->consumer.dev_name = gm->desc->name;
	node->consumer.supply = gm->desc->supply;
	node->supply.constraints.always_on = 1;
	node->supply.num_consumer_supplies = 1;
	node->supply.consumer_supplies = &node->consumer;
	gm->supply = platform_device_register_data(NULL, "reg-fixed-voltage", PLATFORM_DEVID_AUTO, &config, sizeof(config));
	if (IS_ERR(gm->supply))
		return PTR_ERR(gm->supply);
	wait_for_device_probe();	/* its driver probes by itself, when it likes */
	return 0;
}

static void gpu_model_remove_supply(struct gpu_model *gm)
{
	platform_device_unregister(gm->supply);
}

static int gpu_model_add_device(struct gpu_model *gm)
{
	struct resource res[1 + GPU_MODEL_MAX_IRQS] = {
		DEFINE_RES_MEM_NAMED(gm->desc->mmio_base, gm->desc->mmio_size, gm->desc->mmio_name),
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

	ret = gpu_model_add_supply(gm);
	if (ret)
		goto err_clock;

	ret = gpu_model_add_device(gm);
	if (ret)
		goto err_supply;
	return 0;

err_supply:
	gpu_model_remove_supply(gm);
err_clock:
	gpu_model_remove_clock(gm);
err_node:
	gpu_model_remove_node(gm);
	return ret;
}

void gpu_model_unbind(struct gpu_model *gm)
{
	platform_device_unregister(gm->pdev);
	gpu_model_remove_supply(gm);
	gpu_model_remove_clock(gm);
	gpu_model_remove_node(gm);
}
