// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps: shrinkers that break the rules of include/linux/shrinker.h and of dma-resv, one for each way to do so. Each has
 * something to free only while it is armed, and frees nothing ever.
 *
 *   shrinker-counts-nothing	its count tries a lock, does not get it, and says that there is nothing
 *   shrinker-locks-resv	its scan locks a reservation object, instead of trying
 *   shrinker-waits-for-lock	its scan waits for a mutex whose holder reclaims itself
 *   shrinker-goes-on		its scan frees nothing, and does not say SHRINK_STOP
 *   shrinker-lies		its scan frees nothing, and says that it did
 *   shrinker-stands-still	its scan says that it scanned nothing, and does not say SHRINK_STOP; a few times only, since
 *				do_shrink_slab() would never come back
 */
#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>

#include "shrinker_compat.h"
#include "trap.h"

#define BAD_OBJECTS	(64 << 10)
#define BAD_STANDSTILLS	64

/* How long a lock is held and left alone. */
#define BAD_HELD_MS	20
#define BAD_FREE_MS	1

struct bad_shrinker {
	struct trap trap;
	unsigned long (*scan)(struct bad_shrinker *bad, struct shrink_control *sc);
	bool try_in_count;
	struct shrinker *shrinker;
};

/* Held most of the time by a thread that is in reclaim meanwhile, as far as anybody can see. */
static DEFINE_MUTEX(bad_lock);
static struct task_struct *bad_holder;
static struct dma_resv bad_resv;

static unsigned long scan_nothing(struct bad_shrinker *bad, struct shrink_control *sc)
{
	return SHRINK_STOP;
}

static unsigned long scan_locks_resv(struct bad_shrinker *bad, struct shrink_control *sc)
{
	dma_resv_lock(&bad_resv, NULL);
	dma_resv_unlock(&bad_resv);
	return SHRINK_STOP;
}

static unsigned long scan_waits_for_lock(struct bad_shrinker *bad, struct shrink_control *sc)
{
	mutex_lock(&bad_lock);
	mutex_unlock(&bad_lock);
	return SHRINK_STOP;
}

static unsigned long scan_goes_on(struct bad_shrinker *bad, struct shrink_control *sc)
{
	return 0;
}

static unsigned long scan_lies(struct bad_shrinker *bad, struct shrink_control *sc)
{
	return sc->nr_to_scan;
}

static unsigned long scan_stands_still(struct bad_shrinker *bad, struct shrink_control *sc)
{
	if (atomic_read(&bad->trap.fired) % BAD_STANDSTILLS == 0)
		return SHRINK_STOP;
	sc->nr_scanned = 0;
	return 0;
}

#define BAD(what, function, ...) { .trap = { .name = "shrinker-" what }, .scan = function, ##__VA_ARGS__ }

static struct bad_shrinker bad_shrinkers[] = {
	BAD("counts-nothing", scan_nothing, .try_in_count = true),
	BAD("locks-resv", scan_locks_resv),
	BAD("waits-for-lock", scan_waits_for_lock),
	BAD("goes-on", scan_goes_on),
	BAD("lies", scan_lies),
	BAD("stands-still", scan_stands_still),
};

/*
 * The functions that a probe sees are told apart by their addresses: each shrinker has a pair of its own, which the
 * compiler may not fold into one.
 */
static unsigned long bad_count(struct bad_shrinker *bad)
{
	if (!READ_ONCE(bad->trap.armed))
		return 0;
	if (!bad->try_in_count)
		return BAD_OBJECTS;
	if (!mutex_trylock(&bad_lock)) {
		atomic_inc(&bad->trap.fired);
		return 0;
	}
	mutex_unlock(&bad_lock);
	return BAD_OBJECTS;
}

static unsigned long bad_scan(struct bad_shrinker *bad, struct shrink_control *sc)
{
	if (!READ_ONCE(bad->trap.armed))
		return SHRINK_STOP;
	if (!bad->try_in_count)
		atomic_inc(&bad->trap.fired);
	return bad->scan(bad, sc);
}

#define BAD_FUNCTIONS(index, name)									\
static unsigned long name##_count(struct shrinker *shrinker, struct shrink_control *sc)			\
{													\
	return bad_count(&bad_shrinkers[index]);							\
}													\
static unsigned long name##_scan(struct shrinker *shrinker, struct shrink_control *sc)			\
{													\
	return bad_scan(&bad_shrinkers[index], sc);							\
}

BAD_FUNCTIONS(0, trap_counts_nothing)
BAD_FUNCTIONS(1, trap_locks_resv)
BAD_FUNCTIONS(2, trap_waits_for_lock)
BAD_FUNCTIONS(3, trap_goes_on)
BAD_FUNCTIONS(4, trap_lies)
BAD_FUNCTIONS(5, trap_stands_still)

static const struct {
	unsigned long (*count)(struct shrinker *shrinker, struct shrink_control *sc);
	unsigned long (*scan)(struct shrinker *shrinker, struct shrink_control *sc);
} bad_functions[] = {
	{ trap_counts_nothing_count, trap_counts_nothing_scan },
	{ trap_locks_resv_count, trap_locks_resv_scan },
	{ trap_waits_for_lock_count, trap_waits_for_lock_scan },
	{ trap_goes_on_count, trap_goes_on_scan },
	{ trap_lies_count, trap_lies_scan },
	{ trap_stands_still_count, trap_stands_still_scan },
};
static_assert(ARRAY_SIZE(bad_functions) == ARRAY_SIZE(bad_shrinkers));

static int bad_hold(void *data)
{
	while (!kthread_should_stop()) {
		unsigned int flags;

		mutex_lock(&bad_lock);
		flags = memalloc_noreclaim_save();
		schedule_timeout_idle(msecs_to_jiffies(BAD_HELD_MS));
		memalloc_noreclaim_restore(flags);
		mutex_unlock(&bad_lock);
		schedule_timeout_idle(msecs_to_jiffies(BAD_FREE_MS));
	}
	return 0;
}

static void bad_free(int count)
{
	while (count--) {
		trap_unregister(&bad_shrinkers[count].trap);
		shrinker_free(bad_shrinkers[count].shrinker);
	}
	kthread_stop(bad_holder);
	dma_resv_fini(&bad_resv);
}

static int __init bad_init(void)
{
	int i;

	dma_resv_init(&bad_resv);
	bad_holder = kthread_run(bad_hold, NULL, "trap_lock_holder");
	if (IS_ERR(bad_holder)) {
		dma_resv_fini(&bad_resv);
		return PTR_ERR(bad_holder);
	}
	for (i = 0; i < ARRAY_SIZE(bad_shrinkers); i++) {
		struct bad_shrinker *bad = &bad_shrinkers[i];

		bad->shrinker = shrinker_alloc(0, "drmsqueeze-%s", bad->trap.name);
		if (!bad->shrinker) {
			bad_free(i);
			return -ENOMEM;
		}
		bad->shrinker->count_objects = bad_functions[i].count;
		bad->shrinker->scan_objects = bad_functions[i].scan;
		trap_register(&bad->trap);
		shrinker_register(bad->shrinker);
	}
	return 0;
}
module_init(bad_init);

static void __exit bad_exit(void)
{
	bad_free(ARRAY_SIZE(bad_shrinkers));
}
module_exit(bad_exit);

MODULE_DESCRIPTION("Traps for drmsqueeze: shrinkers that break the rules");
MODULE_LICENSE("GPL");
