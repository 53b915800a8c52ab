// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that cannot be loaded: its data has no room between the bounds that x86-64 sets to modules (1520 MiB, or 1008 with
 * KASLR: MODULES_LEN in asm/pgtable_64_types.h).
 *
 * Whoever tries has alloc_vmap_area() (mm/vmalloc.c) call those that registered with register_vmap_purge_notifier(): the
 * one way to them that does not fill 32 TiB of vmalloc space first. The machine must have more memory than this has
 * data, for the request is refused before that otherwise; none of it is taken.
 */
#include <linux/module.h>

static volatile char too_large[1600 << 20];	/* or the compiler finds out that nobody writes to it */

static int __init too_large_init(void)
{
	return too_large[sizeof(too_large) / 2] ? -EINVAL : -ENODEV;
}
module_init(too_large_init);

MODULE_DESCRIPTION("For drmsqueeze: no room for it");
MODULE_LICENSE("GPL");
