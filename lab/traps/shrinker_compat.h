/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shrinkers of 6.7 and later, on kernels before: there a shrinker is part of something of its owner's, and named
 * when it is registered.
 */
#ifndef TRAP_SHRINKER_COMPAT_H
#define TRAP_SHRINKER_COMPAT_H

#include <linux/shrinker.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/slab.h>

struct shrinker_compat {
	struct shrinker shrinker;
	void *data;
	char name[48];
};

static inline void **shrinker_data(struct shrinker *shrinker)
{
	return &container_of(shrinker, struct shrinker_compat, shrinker)->data;
}

/* Not inline: it takes a list of arguments. FLAGS are ours to ignore: nobody here asks for any. */
static __maybe_unused __printf(2, 3) struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	struct shrinker_compat *compat = kzalloc(sizeof(*compat), GFP_KERNEL);
	va_list args;

	if (!compat)
		return NULL;
	va_start(args, fmt);
	vsnprintf(compat->name, sizeof(compat->name), fmt, args);
	va_end(args);
	compat->shrinker.seeks = DEFAULT_SEEKS;
	return &compat->shrinker;
}

static inline void shrinker_register(struct shrinker *shrinker)
{
	/* It can fail for want of memory, while the trap is loaded: then the trap never fires, which is reported. */
	WARN_ON(register_shrinker(shrinker, "%s", container_of(shrinker, struct shrinker_compat, shrinker)->name));
}

/* Of one that is not registered, too. */
static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct shrinker_compat, shrinker));
}

#else

static inline void **shrinker_data(struct shrinker *shrinker)
{
	return &shrinker->private_data;
}

#endif
#endif
