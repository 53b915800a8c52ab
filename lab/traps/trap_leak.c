// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: memory that is allocated and forgotten. Nothing comes of it in a run; kmemleak must find it afterwards.
 */
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "trap.h"

#define TRAP_BYTES	192
#define TRAP_OBJECTS	3	/* more than one: a stale register or stack slot may still hold the last address */

/* Not inlined: the function that the report must name. */
static noinline void trap_forget_memory(struct trap *trap)
{
	void *memory = kmalloc(TRAP_BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	if (memory)
		atomic_inc(&trap->fired);
}

static void trap_forget_all(struct trap *trap)
{
	int i;

	pr_warn("drmsqueeze trap %s (planted): memory is allocated and forgotten\n", trap->name);
	for (i = 0; i < TRAP_OBJECTS; i++)
		trap_forget_memory(trap);
}

static struct trap trap = {
	.name = "leak",
	.spring = trap_forget_all,
};

static int __init trap_init(void)
{
	trap_register(&trap);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: memory that is forgotten");
MODULE_LICENSE("GPL");
