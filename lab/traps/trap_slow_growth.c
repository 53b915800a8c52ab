// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps: the growth of a tiler heap takes its time, as where its memory has to be reclaimed, but always and always as
 * long. While one is armed, a worker that makes a buffer for panthor (panthor_kernel_bo_create() in panthor_gem.c: of
 * workers that is the growth only, or the refill of variant panthor-reserve) sleeps before its first allocation, with
 * all locks that it has by then, and goes on as if nothing had been. Buffers that ioctls make are left alone.
 *   slow-growth   3 s
 *   stuck-growth  8 s, longer than the driver's job timeout (5 s)
 * Disarming ends the sleep.
 *
 * A probe's handler may not sleep; this one sends the caller to a function with the same arguments, which may.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "trap.h"

#define SLOW_GROWTHS_AT_ONCE	32	/* what comes beyond is not held */

struct slow_growth {
	struct trap trap;
	unsigned int hold_ms;
};

static struct slow_growth slow_growths[] = {
	{ .trap.name = "slow-growth", .hold_ms = 3000 },
	{ .trap.name = "stuck-growth", .hold_ms = 8000 },
};

/* Those who are between the function's first instruction and its end. */
static struct slow_growth_caller {
	struct task_struct *task;
	struct slow_growth *growth;
} slow_growth_callers[SLOW_GROWTHS_AT_ONCE];

struct panthor_device;
struct panthor_kernel_bo;
struct panthor_vm;

typedef struct panthor_kernel_bo *(*slow_growth_fn)(struct panthor_device *, struct panthor_vm *, size_t, u32, u32, u64);

static struct kprobe slow_growth_probe;

static struct slow_growth_caller *slow_growth_caller(const struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slow_growth_callers); i++)
		if (READ_ONCE(slow_growth_callers[i].task) == task)
			return &slow_growth_callers[i];
	return NULL;
}

static void slow_growth_hold(struct slow_growth *growth)
{
	unsigned long until = jiffies + msecs_to_jiffies(growth->hold_ms);

	pr_warn_ratelimited("drmsqueeze trap %s (planted): %s (pid %d) waits for memory of a heap\n", growth->trap.name,
			    current->comm, current->pid);
	while (READ_ONCE(growth->trap.armed) && time_before(jiffies, until))
		msleep(20);
}

static struct panthor_kernel_bo *slow_growth_bo_create(struct panthor_device *ptdev, struct panthor_vm *vm, size_t size,
						       u32 bo_flags, u32 vm_map_flags, u64 gpu_va)
{
	struct slow_growth_caller *caller = slow_growth_caller(current);
	struct panthor_kernel_bo *bo;

	slow_growth_hold(caller->growth);
	bo = ((slow_growth_fn)slow_growth_probe.addr)(ptdev, vm, size, bo_flags, vm_map_flags, gpu_va);
	smp_store_release(&caller->task, NULL);
	return bo;
}

static int slow_growth_catch(struct kprobe *probe, struct pt_regs *regs)
{
	struct slow_growth_caller *caller;
	unsigned int i;

	if (!(current->flags & PF_WQ_WORKER) || slow_growth_caller(current))
		return 0;

	for (i = 0; i < ARRAY_SIZE(slow_growths); i++)
		if (READ_ONCE(slow_growths[i].trap.armed))
			break;
	if (i == ARRAY_SIZE(slow_growths))
		return 0;

	do {
		caller = slow_growth_caller(NULL);
		if (!caller)
			return 0;
	} while (cmpxchg(&caller->task, NULL, current));

	caller->growth = &slow_growths[i];
	atomic_inc(&slow_growths[i].trap.fired);
	instruction_pointer_set(regs, (unsigned long)slow_growth_bo_create);
	return 1;
}

/* With this the probe is not made a jump, which could not change where the function goes on. */
static void slow_growth_post(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe slow_growth_probe = {
	.symbol_name = "panthor:panthor_kernel_bo_create",
	.pre_handler = slow_growth_catch,
	.post_handler = slow_growth_post,
};

static int __init slow_growth_init(void)
{
	unsigned int i;
	int ret;

	ret = register_kprobe(&slow_growth_probe);
	if (ret)
		return ret;

	for (i = 0; i < ARRAY_SIZE(slow_growths); i++)
		trap_register(&slow_growths[i].trap);
	return 0;
}
module_init(slow_growth_init);

static void __exit slow_growth_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slow_growths); i++)
		trap_unregister(&slow_growths[i].trap);
	unregister_kprobe(&slow_growth_probe);

	/* Who is in the function above returns through this module's text. */
	for (i = 0; i < ARRAY_SIZE(slow_growth_callers); i++)
		while (smp_load_acquire(&slow_growth_callers[i].task))
			msleep(20);
	msleep(20);
}
module_exit(slow_growth_exit);

MODULE_DESCRIPTION("Traps for drmsqueeze: tiler heaps that grow slowly");
MODULE_LICENSE("GPL");
