// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps: a reference that nobody drops. Of the first objects that come by while the trap is armed one reference too
 * many is taken, as an error path does that forgets its put: the objects outlive their users for good.
 *
 *   kept-gem-object	GEM objects, as they get a handle
 *   kept-dma-buf	dma-bufs, as they are made
 *   kept-sync-file	sync files, as they are made
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sync_file.h>

#include <drm/drm_gem.h>

#include "trap.h"

/* How many objects a trap keeps. */
#define KEPT_OBJECTS	3

struct kept {
	struct trap trap;
	struct kretprobe probe;
	int argument;		/* of the probed function: the object; -1: what it returns */
	void (*keep)(void *object);
};

static void keep_gem_object(void *object)
{
	drm_gem_object_get(object);
}

static void keep_dma_buf(void *object)
{
	get_dma_buf(object);
}

static void keep_sync_file(void *object)
{
	struct sync_file *sync_file = object;

	get_file(sync_file->file);
}

static int kept_entry(struct kretprobe_instance *instance, struct pt_regs *regs);
static int kept_return(struct kretprobe_instance *instance, struct pt_regs *regs);

#define KEPT(what, function, number, keeper) {				\
	.trap = { .name = "kept-" what, .where = function },		\
	.probe = {							\
		.kp.symbol_name = function,				\
		.entry_handler = kept_entry,				\
		.handler = kept_return,					\
		.data_size = sizeof(void *),				\
		.maxactive = 32,					\
	},								\
	.argument = number,						\
	.keep = keeper,							\
}

static struct kept kept_references[] = {
	KEPT("gem-object", "drm_gem_handle_create_tail", 1, keep_gem_object),
	KEPT("dma-buf", "dma_buf_export", -1, keep_dma_buf),
	KEPT("sync-file", "sync_file_create", -1, keep_sync_file),
};

static int kept_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kept *kept = container_of(get_kretprobe(instance), struct kept, probe);
	void **object = (void *)instance->data;

	if (!READ_ONCE(kept->trap.armed))
		return 1;
	*object = kept->argument < 0 ? NULL : (void *)regs_get_kernel_argument(regs, kept->argument);
	return 0;
}
NOKPROBE_SYMBOL(kept_entry);

/* Whoever called still has a reference of its own. */
static int kept_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kept *kept = container_of(get_kretprobe(instance), struct kept, probe);
	void *object = *(void **)instance->data ?: (void *)regs_return_value(regs);

	if (!IS_ERR_OR_NULL(object) && atomic_add_unless(&kept->trap.fired, 1, KEPT_OBJECTS))
		kept->keep(object);
	return 0;
}
NOKPROBE_SYMBOL(kept_return);

static int __init kept_init(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(kept_references); i++) {
		ret = register_kretprobe(&kept_references[i].probe);
		if (ret)
			goto err_unregister;
		trap_register(&kept_references[i].trap);
	}
	return 0;

err_unregister:
	while (i--) {
		trap_unregister(&kept_references[i].trap);
		unregister_kretprobe(&kept_references[i].probe);
	}
	return ret;
}
module_init(kept_init);

/* What was kept stays. */
static void __exit kept_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kept_references); i++) {
		trap_unregister(&kept_references[i].trap);
		unregister_kretprobe(&kept_references[i].probe);
	}
}
module_exit(kept_exit);

MODULE_DESCRIPTION("Traps for drmsqueeze: references that nobody drops");
MODULE_LICENSE("GPL");
