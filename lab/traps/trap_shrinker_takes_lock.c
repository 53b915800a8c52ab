// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that takes a lock under which others allocate memory. Whoever allocates under it and has to reclaim
 * waits for himself. Nothing comes to stand still while memory is not short; lockdep must say that it could, once it has
 * seen the shrinker run inside reclaim.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "shrinker_compat.h"
#include "trap.h"

#define TRAP_OBJECTS	128

static DEFINE_MUTEX(trap_lock);
static struct shrinker *trap_shrinker;

static void trap_allocate_under_lock(struct trap *trap)
{
	mutex_lock(&trap_lock);
	kfree(kmalloc(PAGE_SIZE, GFP_KERNEL));
	mutex_unlock(&trap_lock);
}

static struct trap trap = {
	.name = "shrinker-takes-lock",
	.spring = trap_allocate_under_lock,
};

static unsigned long trap_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return READ_ONCE(trap.armed) ? TRAP_OBJECTS : SHRINK_EMPTY;
}

static unsigned long trap_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	if (!READ_ONCE(trap.armed))
		return SHRINK_STOP;

	if (!atomic_fetch_inc(&trap.fired))
		pr_warn("drmsqueeze trap %s (planted): the shrinker takes a lock under which memory is allocated\n",
			trap.name);
	mutex_lock(&trap_lock);
	mutex_unlock(&trap_lock);
	return SHRINK_STOP;
}

static int __init trap_init(void)
{
	trap_shrinker = shrinker_alloc(0, "drmsqueeze-trap-lock");
	if (!trap_shrinker)
		return -ENOMEM;
	trap_shrinker->count_objects = trap_count;
	trap_shrinker->scan_objects = trap_scan;
	shrinker_register(trap_shrinker);

	trap_register(&trap);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_unregister(&trap);
	shrinker_free(trap_shrinker);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that takes a lock under which others allocate");
MODULE_LICENSE("GPL");
