// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: memory that is allocated and forgotten. Nothing comes of it in a run; kmemleak must find it afterwards.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trap.h"

#define TRAP_BYTES	192
#define TRAP_OBJECTS	3	/* more than one: a stale register or stack slot may still hold the last address */
#define TRAP_LOOK	(HZ / 50)

static struct trap trap = {
	.name = "leak",
	.where = "an allocation",
};

/* Not inlined: the function that the report must name. */
static noinline void trap_forget_memory(void)
{
	void *memory = kmalloc(TRAP_BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	if (memory)
		atomic_inc(&trap.fired);
}

static void trap_look(struct work_struct *work)
{
	int i;

	if (!READ_ONCE(trap.armed)) {
		schedule_delayed_work(to_delayed_work(work), TRAP_LOOK);
		return;
	}

	pr_warn("drmsqueeze trap %s (planted): memory is allocated and forgotten\n",
		trap.name);
	for (i = 0; i < TRAP_OBJECTS; i++)
		trap_forget_memory();
}

static DECLARE_DELAYED_WORK(trap_work, trap_look);

static int __init trap_init(void)
{
	trap_register(&trap);
	schedule_delayed_work(&trap_work, TRAP_LOOK);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	cancel_delayed_work_sync(&trap_work);
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: memory that is forgotten");
MODULE_LICENSE("GPL");
