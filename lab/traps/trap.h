/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What traps share (module trap_common.ko). Most traps make somebody wait for the fence of a job, at a place where
 * drivers of the field do or might: somebody waits only while the trap is armed and its bait is out. Others do something
 * wrong once, when they are armed.
 */
#ifndef TRAP_H
#define TRAP_H

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dentry;
struct shrinker;
struct task_struct;

struct trap {
	const char *name;	/* of its directory in debugfs, below drmsqueeze/traps */
	const char *where;	/* somebody waits, for messages */

	/* The fence to wait for, with a reference; NULL while the trap is not to catch anybody. Any context. */
	struct dma_fence *(*bait)(void);

	/* What is wrong, done once by a work item soon after the trap was armed; NULL where somebody else springs it. */
	void (*spring)(struct trap *trap);
	struct delayed_work work;

	/* In debugfs: armed is read and written, fired counts who was caught. */
	u32 armed;
	atomic_t fired;
	struct dentry *debugfs;
};

/* The directory, with `armed` and `fired` in it. Whoever is caught stays so when the trap is disarmed. */
void trap_register(struct trap *trap);
/* Waits for the end of spring(). */
void trap_unregister(struct trap *trap);

/* The bait, if the trap is armed. */
struct dma_fence *trap_bait(const struct trap *trap);

/* Catches the caller, if there is a bait: returns once its fence has signalled. */
void trap_catch(struct trap *trap);

/* A shrinker as the place, and a thread of its own that runs into it: see trap_shrinker.c. */
struct trap_shrinker {
	struct trap trap;
	struct shrinker *shrinker;
	struct task_struct *reclaimer;
};

int trap_shrinker_register(struct trap_shrinker *ts);
/* Waits for as long as anything waits in the trap: the module's text must not go away under it. */
void trap_shrinker_unregister(struct trap_shrinker *ts);

/* As gpu_jobs_last(), but only while a device fault of a GPU model waits for its page. */
struct dma_fence *trap_fence_behind_fault(void);

#endif
