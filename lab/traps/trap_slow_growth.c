// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps: the growth of a tiler heap of panthor or lima takes its time, as where its memory has to be reclaimed, but always
 * and always as long. While one is armed, a worker that comes to a function on the way sleeps there, with all locks that it
 * has by then, and goes on as if nothing had been. Ioctls, which come to the same functions, are left alone.
 *   slow-growth         3 s before the chunk's first allocation
 *   stuck-growth        8 s there, longer than the driver's job timeout (5 s)
 *   slow-growth-pages   3 s where the chunk's pages are had, with the reservation lock of the VM
 *   slow-growth-answer  3 s where the heap has its new chunk, and the answer has not been made
 *   slow-chunk-return   3 s before a chunk that came too late is given back
 *   slow-doubling       lima: 3 s before a heap's new half is allocated
 * Each is there where its driver is.
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
	struct kprobe probe;
	unsigned int hold_ms;
	bool after;	/* the function has done its work; else before it */
	bool probed;
};

static int slow_growth_catch(struct kprobe *probe, struct pt_regs *regs);

/* With this the probe is not made a jump, which could not change where the function goes on. */
static void slow_growth_post(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

#define SLOW_GROWTH(_name, _function, ...) {					\
	.trap.name = _name,							\
	.probe = {								\
		.symbol_name = _function,					\
		.pre_handler = slow_growth_catch,				\
		.post_handler = slow_growth_post,				\
	},									\
	__VA_ARGS__								\
}

/* Variant panthor-reserve makes its chunks in workers too, by the same functions: there it is the refill that sleeps. */
static struct slow_growth slow_growths[] = {
	SLOW_GROWTH("slow-growth", "panthor:panthor_kernel_bo_create", .hold_ms = 3000),
	SLOW_GROWTH("stuck-growth", "panthor:panthor_kernel_bo_create", .hold_ms = 8000),
	SLOW_GROWTH("slow-growth-pages", "drm:drm_gem_get_pages", .hold_ms = 3000),
	SLOW_GROWTH("slow-growth-answer", "panthor:panthor_alloc_heap_chunk", .hold_ms = 3000, .after = true),
	SLOW_GROWTH("slow-chunk-return", "panthor:panthor_heap_return_chunk", .hold_ms = 3000),
	SLOW_GROWTH("slow-doubling", "lima:lima_heap_alloc", .hold_ms = 3000),
};

/* Those who are between the function's first instruction and its end. */
static struct slow_growth_caller {
	struct task_struct *task;
	struct slow_growth *growth;
} slow_growth_callers[SLOW_GROWTHS_AT_ONCE];

/* Any of the functions: what has up to six arguments gets them in registers, and reads those that it knows. */
typedef unsigned long (*slow_growth_fn)(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long,
					unsigned long);

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

static unsigned long slow_growth_call(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
				      unsigned long e, unsigned long f)
{
	struct slow_growth_caller *caller = slow_growth_caller(current);
	struct slow_growth *growth = caller->growth;
	unsigned long ret;

	if (!growth->after)
		slow_growth_hold(growth);
	ret = ((slow_growth_fn)growth->probe.addr)(a, b, c, d, e, f);
	if (growth->after)
		slow_growth_hold(growth);
	smp_store_release(&caller->task, NULL);
	return ret;
}

static int slow_growth_catch(struct kprobe *probe, struct pt_regs *regs)
{
	struct slow_growth *growth = container_of(probe, struct slow_growth, probe);
	struct slow_growth_caller *caller;

	if (!READ_ONCE(growth->trap.armed) || !(current->flags & PF_WQ_WORKER) || slow_growth_caller(current))
		return 0;

	do {
		caller = slow_growth_caller(NULL);
		if (!caller)
			return 0;
	} while (cmpxchg(&caller->task, NULL, current));

	caller->growth = growth;
	atomic_inc(&growth->trap.fired);
	instruction_pointer_set(regs, (unsigned long)slow_growth_call);
	return 1;
}

static void slow_growth_remove(unsigned int n)
{
	while (n--) {
		if (!slow_growths[n].probed)
			continue;
		trap_unregister(&slow_growths[n].trap);
		unregister_kprobe(&slow_growths[n].probe);
	}
}

static int __init slow_growth_init(void)
{
	bool any = false;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(slow_growths); i++) {
		ret = register_kprobe(&slow_growths[i].probe);
		if (ret == -ENOENT)
			continue;	/* another driver's */
		if (ret)
			goto unregister;
		slow_growths[i].probed = true;
		any = true;
		trap_register(&slow_growths[i].trap);
	}
	return any ? 0 : -ENOENT;

unregister:
	pr_err("drmsqueeze: no probe at %s: %d\n", slow_growths[i].probe.symbol_name, ret);
	slow_growth_remove(i);
	return ret;
}
module_init(slow_growth_init);

static void __exit slow_growth_exit(void)
{
	unsigned int i;

	slow_growth_remove(ARRAY_SIZE(slow_growths));

	/* Who is in slow_growth_call() returns through this module's text. */
	for (i = 0; i < ARRAY_SIZE(slow_growth_callers); i++)
		while (smp_load_acquire(&slow_growth_callers[i].task))
			msleep(20);
	msleep(20);
}
module_exit(slow_growth_exit);

MODULE_DESCRIPTION("Traps for drmsqueeze: tiler heaps that grow slowly");
MODULE_LICENSE("GPL");
