// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: the register windows, the worker, memory, registration.
 *
 * The timing rule: a driver polls many registers with a patience of 100 us to 1 ms and some of them under spinlocks.
 * Whatever a driver may poll for is complete when the write that asked for it returns; only the GPU's work on jobs is
 * left to the worker.
 */
#include <linux/debugfs.h>
#include <linux/hrtimer.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "gpu_model.h"

#define GPU_MODEL_MAX	4

/* Read without a lock: a driver touches a window only while its device, and so its model, is registered. */
static struct gpu_model *gpu_models[GPU_MODEL_MAX];

static struct dentry *gpu_model_debugfs_root;

static unsigned int sched_timeout_ms;
module_param(sched_timeout_ms, uint, 0444);
MODULE_PARM_DESC(sched_timeout_ms, "Job timeout given to the driver's schedulers; 0 leaves the driver's own");

unsigned int gpu_model_sched_timeout_ms(void)
{
	return sched_timeout_ms;
}
EXPORT_SYMBOL_GPL(gpu_model_sched_timeout_ms);

static struct gpu_model *gpu_model_at(const volatile void __iomem *addr)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && addr >= gm->window && addr < gm->window + gm->desc->mmio_size)
			return gm;
	}
	return NULL;
}

u32 gpu_model_readl(const volatile void __iomem *addr)
{
	struct gpu_model *gm = gpu_model_at(addr);
	unsigned long flags;
	u32 val;

	if (!gm)
		return readl(addr);

	raw_spin_lock_irqsave(&gm->lock, flags);
	val = gm->desc->read(gm, addr - gm->window);
	raw_spin_unlock_irqrestore(&gm->lock, flags);
	return val;
}
EXPORT_SYMBOL_GPL(gpu_model_readl);

/* Drops the lock, and only then wakes the worker: no wake-up under a raw lock. */
static void gpu_model_unlock_and_wake(struct gpu_model *gm, unsigned long flags)
{
	bool kicked = gm->kicked;

	gm->kicked = false;
	raw_spin_unlock_irqrestore(&gm->lock, flags);
	if (kicked)
		wake_up_process(gm->worker);
}

void gpu_model_writel(u32 val, volatile void __iomem *addr)
{
	struct gpu_model *gm = gpu_model_at(addr);
	unsigned long flags;

	if (!gm) {
		writel(val, addr);
		return;
	}

	raw_spin_lock_irqsave(&gm->lock, flags);
	gm->desc->write(gm, addr - gm->window, val);
	gpu_model_unlock_and_wake(gm, flags);
}
EXPORT_SYMBOL_GPL(gpu_model_writel);

void __iomem *gpu_model_ioremap_resource(struct platform_device *pdev, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && index == 0 && !strcmp(dev_name(&pdev->dev), gm->desc->name))
			return gm->window;
	}
	return devm_platform_ioremap_resource(pdev, index);
}
EXPORT_SYMBOL_GPL(gpu_model_ioremap_resource);

void __iomem *gpu_model_get_and_ioremap_resource(struct platform_device *pdev, unsigned int index, struct resource **res)
{
	*res = platform_get_resource(pdev, IORESOURCE_MEM, index);
	return gpu_model_ioremap_resource(pdev, index);
}
EXPORT_SYMBOL_GPL(gpu_model_get_and_ioremap_resource);

bool gpu_model_fault_pending(void)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && READ_ONCE(gm->unanswered))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_GPL(gpu_model_fault_pending);

bool gpu_model_device_fault_pending(void)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && READ_ONCE(gm->device_faults))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_GPL(gpu_model_device_fault_pending);

/* The model called NAME; it stays as long as the caller's module depends on the model's module. */
struct gpu_model *gpu_model_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && !strcmp(gm->desc->name, name))
			return gm;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(gpu_model_find);

struct device_node *gpu_model_find_matching_node(struct device_node *from, const struct of_device_id *matches)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX && !from; i++) {
		struct gpu_model *gm = READ_ONCE(gpu_models[i]);

		if (gm && of_match_node(matches, gm->node))
			return of_node_get(gm->node);
	}
	return of_find_matching_node(from, matches);
}
EXPORT_SYMBOL_GPL(gpu_model_find_matching_node);

void gpu_model_kick(struct gpu_model *gm)
{
	gm->kicked = true;
	WRITE_ONCE(gm->idle, false);
}
EXPORT_SYMBOL_GPL(gpu_model_kick);

/*
 * Drivers hand their page tables and buffers to the GPU as physical addresses. A GPU that writes to a page after it was
 * freed does so silently; here the page's reference count tells. Compound pages are looked at through their head.
 */
void *gpu_model_phys(struct gpu_model *gm, phys_addr_t pa)
{
	return gpu_model_phys_in_block(gm, pa, 0);
}
EXPORT_SYMBOL_GPL(gpu_model_phys);

void *gpu_model_phys_in_block(struct gpu_model *gm, phys_addr_t pa, unsigned int order)
{
	unsigned long first = ALIGN_DOWN(PHYS_PFN(pa), 1ul << order);

	if (pfn_valid(first) && page_count(pfn_to_page(first)) > 0)
		return phys_to_virt(pa);

	gm->bad_accesses++;
	pr_err_ratelimited("gpu_model %s: access to %pa, which is %s\n", gm->desc->name, &pa,
			   pfn_valid(PHYS_PFN(pa)) ? "a free page" : "not memory");
	return NULL;
}
EXPORT_SYMBOL_GPL(gpu_model_phys_in_block);

/* In TASK_IDLE while it sleeps, or the hung-task detector would report a GPU that has nothing to do. */
static int gpu_model_worker(void *data)
{
	struct gpu_model *gm = data;

	while (!kthread_should_stop()) {
		unsigned long flags;
		ktime_t again;

		set_current_state(TASK_IDLE);
		raw_spin_lock_irqsave(&gm->lock, flags);
		again = gm->desc->work(gm);
		WRITE_ONCE(gm->idle, again == KTIME_MAX);
		gm->kicked = false;
		raw_spin_unlock_irqrestore(&gm->lock, flags);

		if (again && !kthread_should_stop())
			schedule_hrtimeout(again == KTIME_MAX ? NULL : &again, HRTIMER_MODE_ABS);
		__set_current_state(TASK_RUNNING);
		cond_resched();
	}
	return 0;
}

unsigned int gpu_model_count(const char *const *names)
{
	unsigned int n = 0;

	while (names[n])
		n++;
	return n;
}
EXPORT_SYMBOL_GPL(gpu_model_count);

static int gpu_model_publish(struct gpu_model *gm)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++) {
		if (!cmpxchg(&gpu_models[i], NULL, gm))
			return 0;
	}
	return -ENOSPC;
}

static void gpu_model_withdraw(struct gpu_model *gm)
{
	unsigned int i;

	for (i = 0; i < GPU_MODEL_MAX; i++)
		cmpxchg(&gpu_models[i], gm, NULL);
}

/* Addresses that are nobody else's. There is no way for a module to get them without pages behind them: one will do. */
static void __iomem *gpu_model_window(size_t size)
{
	unsigned int i, n = DIV_ROUND_UP(size, PAGE_SIZE);
	struct page **pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	void *window;

	if (!pages)
		return NULL;
	for (i = 0; i < n; i++)
		pages[i] = ZERO_PAGE(0);
	window = vmap(pages, n, VM_MAP, PAGE_KERNEL_RO);
	kvfree(pages);
	return (void __iomem *)window;
}

/* Everything that the model needs while it runs is allocated here. The device comes last: its driver may probe at once. */
int gpu_model_register(struct gpu_model *gm, const struct gpu_model_desc *desc)
{
	unsigned int i;
	int ret;

	if (WARN_ON(gpu_model_count(desc->faults) > GPU_MODEL_MAX_FAULTS))
		return -EINVAL;

	gm->desc = desc;
	raw_spin_lock_init(&gm->lock);
	for (i = 0; i < GPU_MODEL_MAX_FAULTS; i++)
		gm->faults[i].gm = gm;

	gm->counters = kcalloc(gpu_model_count(desc->counters), sizeof(*gm->counters), GFP_KERNEL);
	if (!gm->counters)
		return -ENOMEM;

	gm->window = gpu_model_window(desc->mmio_size);
	if (!gm->window) {
		ret = -ENOMEM;
		goto err_counters;
	}

	ret = gpu_model_irqs_init(gm);
	if (ret)
		goto err_window;

	gm->worker = kthread_create(gpu_model_worker, gm, "model/%s", desc->name);
	if (IS_ERR(gm->worker)) {
		ret = PTR_ERR(gm->worker);
		goto err_irqs;
	}
	/* A GPU does not wait for the CPUs' run queues. Real-time would be closer, but could starve the driver's thread. */
	set_user_nice(gm->worker, MIN_NICE);
	wake_up_process(gm->worker);

	ret = gpu_model_publish(gm);
	if (ret)
		goto err_worker;

	gpu_model_debugfs_init(gm, gpu_model_debugfs_root);

	ret = gpu_model_bind(gm);
	if (ret)
		goto err_publish;
	return 0;

err_publish:
	debugfs_remove_recursive(gm->debugfs);
	gpu_model_withdraw(gm);
err_worker:
	kthread_stop(gm->worker);
err_irqs:
	gpu_model_irqs_fini(gm);
err_window:
	vunmap((void __force *)gm->window);
err_counters:
	kfree(gm->counters);
	return ret;
}
EXPORT_SYMBOL_GPL(gpu_model_register);

void gpu_model_unregister(struct gpu_model *gm)
{
	gpu_model_unbind(gm);
	debugfs_remove_recursive(gm->debugfs);
	gpu_model_withdraw(gm);
	kthread_stop(gm->worker);
	gpu_model_irqs_fini(gm);
	vunmap((void __force *)gm->window);
	kfree(gm->counters);
}
EXPORT_SYMBOL_GPL(gpu_model_unregister);

/* Counts one event of the kind that FAULT can hit, and says whether this one is hit. */
bool gpu_model_fault_hit(struct gpu_model *gm, unsigned int fault, u64 *value)
{
	struct gpu_model_fault *f = &gm->faults[fault];

	if (f->nth == 0)
		return false;
	if (f->nth > 1) {
		f->nth--;
		return false;
	}

	*value = f->value;
	f->fired++;
	if (f->count > 0 && --f->count == 0) {
		f->nth = 0;
		f->value = 0;
	}
	return true;
}
EXPORT_SYMBOL_GPL(gpu_model_fault_hit);

void gpu_model_fault_plant(struct gpu_model *gm, unsigned int fault, u64 nth, s64 count, u64 value)
{
	struct gpu_model_fault *f = &gm->faults[fault];
	unsigned long flags;

	raw_spin_lock_irqsave(&gm->lock, flags);
	f->nth = nth;
	f->count = count;
	f->value = value;
	if (gm->desc->fault_planted)
		gm->desc->fault_planted(gm, fault);
	gpu_model_unlock_and_wake(gm, flags);
}
EXPORT_SYMBOL_GPL(gpu_model_fault_plant);

u64 gpu_model_device_fault(struct gpu_model *gm)
{
	unsigned long flags;
	u64 va;

	raw_spin_lock_irqsave(&gm->lock, flags);
	va = gm->desc->device_fault(gm);
	raw_spin_unlock_irqrestore(&gm->lock, flags);
	return va;
}
EXPORT_SYMBOL_GPL(gpu_model_device_fault);

/* False: nobody waits for the page of VA. */
bool gpu_model_device_fault_resolve(struct gpu_model *gm, u64 va)
{
	unsigned long flags;
	bool resolved;

	raw_spin_lock_irqsave(&gm->lock, flags);
	resolved = gm->desc->device_fault_resolve(gm, va);
	gpu_model_unlock_and_wake(gm, flags);
	return resolved;
}
EXPORT_SYMBOL_GPL(gpu_model_device_fault_resolve);

static int __init gpu_model_init(void)
{
	gpu_model_debugfs_root = debugfs_create_dir("drmsqueeze", NULL);
	return 0;
}
module_init(gpu_model_init);

static void __exit gpu_model_exit(void)
{
	debugfs_remove_recursive(gpu_model_debugfs_root);
}
module_exit(gpu_model_exit);

MODULE_DESCRIPTION("Shared part of the software GPU models");
MODULE_LICENSE("GPL");
