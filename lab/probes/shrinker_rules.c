// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers' shrinkers may not do, as assertions. Every shrinker whose functions lie in a module is watched, from
 * whatever side it is called: by reclaim, by drop_caches, by debugfs. The rules, and where they are written:
 *
 *   waits		It waits for a fence in a task that fences wait for: a thread of an interrupt handler, or the work
 *			of a DRM scheduler. A shrinker may wait for fences, and therefore such tasks may not allocate with
 *			GFP_KERNEL (drivers/dma-buf/dma-fence.c, "fence cross-driver contract"). That one that does both is
 *			here is the proof that somebody breaks the contract.
 *   locks-resv		It locks a reservation object (any ww_mutex) without trying. These are held across allocations
 *			(drivers/dma-buf/dma-resv.c, dma_resv_lockdep(): "trylocked buffer objects in shrinkers").
 *   waits-for-lock	It waits for a lock whose holder is in reclaim, and not in this shrinker: so the lock is held
 *			across allocations, and a holder who gets to this shrinker waits for itself.
 *   counts-nothing	Its count says that there is nothing because a lock was taken ("No deadlock checks should be done
 *			during the count callback", include/linux/shrinker.h), or many times in a row it said so to a
 *			task that then got something freed.
 *   goes-on		vmscan calls its scan on and on in one pass, and each time it frees nothing, without saying
 *			SHRINK_STOP.
 *   lies		Many times in a row its scan says that it freed something, and on the whole machine no page was
 *			freed meanwhile.
 *   stands-still	Its scan frees nothing and says that it scanned nothing, without SHRINK_STOP: do_shrink_slab()
 *			(mm/shrinker.c) would call it for good.
 *
 * The first time that a shrinker breaks a rule is printed with the stack. Spin locks that are only tried, waits that do
 * not go through dma_fence_wait_timeout(), and shrinkers that are registered after this module are not seen.
 *
 * /sys/kernel/debug/drmsqueeze/shrinker_rules/table: of each shrinker its calls, waits and broken rules; and a line for
 * each function that could not be watched.
 */
#include <linux/debugfs.h>
#include <linux/dma-fence.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/stacktrace.h>
#include <linux/version.h>
#include <linux/vmstat.h>

#define RULE_SHRINKERS	32
#define RULE_TASKS	64	/* inside shrinkers at once */
#define RULE_DEPTH	96
#define RULE_STREAK	16	/* times in a row until a habit is one */

/* Flags in the low bits of a lock's owner: MUTEX_FLAGS (kernel/locking/mutex.c), RWSEM_OWNER_FLAGS_MASK (rwsem.c) */
#define RULE_OWNER_FLAGS	7UL

enum rule { WAITS, LOCKS_RESV, WAITS_FOR_LOCK, COUNTS_NOTHING, GOES_ON, LIES, STANDS_STILL, RULES };

static const char * const rule_names[RULES] = {
	[WAITS] = "waits", [LOCKS_RESV] = "locks-resv", [WAITS_FOR_LOCK] = "waits-for-lock",
	[COUNTS_NOTHING] = "counts-nothing", [GOES_ON] = "goes-on", [LIES] = "lies", [STANDS_STILL] = "stands-still",
};

struct watched {
	struct kretprobe count, scan;
	atomic_t counts, scans, fence_waits, lock_waits;
	atomic_t broken[RULES];

	/* Written by whoever returns, without a lock: a streak that two tasks mix up breaks off, and that is all. */
	struct task_struct *vain;	/* who scans in vain, and how often in this pass */
	unsigned int vain_scans;
	struct task_struct *told_nothing;
	unsigned int unforeseen;	/* scans that freed though the count had said nothing */
	unsigned int lies;
};

static struct watched watched[RULE_SHRINKERS];
static unsigned int watched_count;

/* A task inside a shrinker, filled in by the task itself. Others look at `task` and `watched` only. */
struct visit {
	struct task_struct *task;	/* NULL: the place is free */
	struct watched *watched;
	bool counting;
	bool lock_refused;
};

static struct visit visits[RULE_TASKS];
static atomic_t visit_count;
static atomic_t visits_lost;

/* Not asked whether it is an interrupt: what is watched sleeps, and a probe's own trap looks like an NMI to in_task(). */
static struct visit *visit_of(const struct task_struct *task)
{
	int i;

	if (!atomic_read(&visit_count))
		return NULL;
	for (i = 0; i < RULE_TASKS; i++)
		if (READ_ONCE(visits[i].task) == task)
			return &visits[i];
	return NULL;
}

static struct visit *visit_begin(struct watched *what, bool counting)
{
	int i;

	for (i = 0; i < RULE_TASKS; i++) {
		struct visit *visit = &visits[i];

		if (READ_ONCE(visit->task) || cmpxchg(&visit->task, NULL, current))
			continue;
		visit->watched = what;
		visit->counting = counting;
		visit->lock_refused = false;
		atomic_inc(&visit_count);
		return visit;
	}
	atomic_inc(&visits_lost);
	return NULL;
}

static void visit_end(struct visit *visit)
{
	atomic_dec(&visit_count);
	smp_store_release(&visit->task, NULL);
}

#define rule_broken(what, rule, fmt, ...) ({								\
	struct watched *__what = (what);								\
													\
	if (atomic_inc_return(&__what->broken[rule]) == 1) {						\
		pr_warn("drmsqueeze shrinker rule %s: %ps " fmt "\n", rule_names[rule],			\
			(rule) == COUNTS_NOTHING ? __what->count.kp.addr : __what->scan.kp.addr,	\
			##__VA_ARGS__);									\
		dump_stack();										\
	}												\
})

static unsigned long pages_freed(void)
{
	unsigned long freed = 0;
	int cpu;

	for_each_online_cpu(cpu)
		freed += per_cpu(vm_event_states, cpu).event[PGFREE];
	return freed;
}

/* Calls of the shrinkers */
struct call {
	struct shrink_control *sc;
	struct visit *visit;
	unsigned long freed_before;
};

static int call_begin(struct kretprobe_instance *instance, struct pt_regs *regs, struct watched *what, bool counting)
{
	struct call *call = (void *)instance->data;

	call->sc = (void *)regs_get_kernel_argument(regs, 1);
	/* Some call their own shrinker's functions, with nothing to control. */
	if (!call->sc)
		return 1;
	call->visit = visit_begin(what, counting);
	if (!call->visit)
		return 1;
	call->freed_before = counting ? 0 : pages_freed();
	return 0;
}

static int count_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return call_begin(instance, regs, container_of(get_kretprobe(instance), struct watched, count), true);
}
NOKPROBE_SYMBOL(count_entry);

static int scan_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return call_begin(instance, regs, container_of(get_kretprobe(instance), struct watched, scan), false);
}
NOKPROBE_SYMBOL(scan_entry);

static int count_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct watched *what = container_of(get_kretprobe(instance), struct watched, count);
	struct call *call = (void *)instance->data;
	unsigned long counted = regs_return_value(regs);
	bool nothing = counted == 0 || counted == SHRINK_EMPTY;

	atomic_inc(&what->counts);
	if (what->vain == current)
		what->vain_scans = 0;	/* each pass begins with a count */
	what->told_nothing = nothing ? current : NULL;
	if (nothing && call->visit->lock_refused)
		rule_broken(what, COUNTS_NOTHING, "says that there is nothing, for a lock is taken");
	visit_end(call->visit);
	return 0;
}
NOKPROBE_SYMBOL(count_return);

static bool called_by_vmscan(struct kretprobe_instance *instance)
{
	static const char vmscan[] = "do_shrink_slab+";
	char caller[KSYM_SYMBOL_LEN];

	sprint_symbol(caller, get_kretprobe_retaddr(instance));
	return !strncmp(caller, vmscan, sizeof(vmscan) - 1);
}

static void freed_nothing(struct watched *what, struct kretprobe_instance *instance, const struct shrink_control *sc)
{
	if (!called_by_vmscan(instance))
		return;
	if (!sc->nr_scanned)
		rule_broken(what, STANDS_STILL, "frees nothing, scans nothing, and is to be called again");
	if (what->vain != current) {
		what->vain = current;
		what->vain_scans = 0;
	}
	if (++what->vain_scans == RULE_STREAK)
		rule_broken(what, GOES_ON, "is called %u times in one pass and frees nothing", RULE_STREAK);
}

static int scan_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct watched *what = container_of(get_kretprobe(instance), struct watched, scan);
	struct call *call = (void *)instance->data;
	unsigned long freed = regs_return_value(regs);

	atomic_inc(&what->scans);
	if (!freed) {
		freed_nothing(what, instance, call->sc);
	} else if (freed != SHRINK_STOP) {
		what->vain_scans = 0;
		what->lies = pages_freed() == call->freed_before ? what->lies + 1 : 0;
		if (what->lies == RULE_STREAK)
			rule_broken(what, LIES, "says %u times in a row that it freed, and no page was freed",
				    RULE_STREAK);
		what->unforeseen = what->told_nothing == current ? what->unforeseen + 1 : 0;
		if (what->unforeseen == RULE_STREAK)
			rule_broken(what, COUNTS_NOTHING, "says that there is nothing, and then something is freed");
	}
	visit_end(call->visit);
	return 0;
}
NOKPROBE_SYMBOL(scan_return);

/* What they call */

/* Does somebody who waits for a fence wait for this task? */
static bool fences_wait_for_current(void)
{
	static const char * const signalling[] = {
		"irq_thread+", "drm_sched_run_job_work+", "drm_sched_free_job_work+", "drm_sched_job_timedout+",
		"drm_sched_main+",
	};
	/* Reclaim is deep, and a stack in the kernel small. */
	static DEFINE_RAW_SPINLOCK(lock);
	static unsigned long frames[RULE_DEPTH];	/* protected by lock */
	static char name[KSYM_SYMBOL_LEN];		/* protected by lock */
	unsigned int depth, i, j;
	bool found = false;

	raw_spin_lock(&lock);
	depth = stack_trace_save(frames, RULE_DEPTH, 0);
	for (i = 0; i < depth && !found; i++) {
		sprint_symbol(name, frames[i]);
		for (j = 0; j < ARRAY_SIZE(signalling); j++)
			found |= !strncmp(name, signalling[j], strlen(signalling[j]));
	}
	raw_spin_unlock(&lock);
	return found;
}

static int on_fence_wait(struct kprobe *probe, struct pt_regs *regs)
{
	struct dma_fence *fence = (void *)regs_get_kernel_argument(regs, 0);
	long timeout = regs_get_kernel_argument(regs, 2);
	struct visit *visit = visit_of(current);

	if (!visit || !timeout || test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return 0;
	atomic_inc(&visit->watched->fence_waits);
	if (fences_wait_for_current())
		rule_broken(visit->watched, WAITS, "waits for fence %s %s#%llu:%llu in %s, which fences wait for",
			    fence->ops->get_driver_name(fence), fence->ops->get_timeline_name(fence),
			    fence->context, fence->seqno, current->comm);
	return 0;
}
NOKPROBE_SYMBOL(on_fence_wait);

static int on_ww_lock(struct kprobe *probe, struct pt_regs *regs)
{
	struct visit *visit = visit_of(current);

	if (visit)
		rule_broken(visit->watched, LOCKS_RESV, "locks a reservation object instead of trying");
	return 0;
}
NOKPROBE_SYMBOL(on_ww_lock);

/* The slow paths: somebody else has it. */
static void on_lock_wait(unsigned long owner_and_flags, bool owned_by_readers)
{
	struct task_struct *owner = (void *)(owner_and_flags & ~RULE_OWNER_FLAGS);
	struct visit *visit = visit_of(current), *others;

	if (!visit)
		return;
	atomic_inc(&visit->watched->lock_waits);
	if (!owner || owned_by_readers)
		return;
	/* A task that holds a lock lives; that it still holds it is not needed, it did when it was read. */
	rcu_read_lock();
	others = visit_of(owner);
	if ((READ_ONCE(owner->flags) & PF_MEMALLOC) && !(others && others->watched == visit->watched))
		rule_broken(visit->watched, WAITS_FOR_LOCK, "waits for a lock of %s (pid %d), which is in reclaim",
			    owner->comm, owner->pid);
	rcu_read_unlock();
}

static int on_mutex_wait(struct kprobe *probe, struct pt_regs *regs)
{
	struct mutex *lock = (void *)regs_get_kernel_argument(regs, 0);

	on_lock_wait(atomic_long_read(&lock->owner), false);
	return 0;
}
NOKPROBE_SYMBOL(on_mutex_wait);

static int on_rwsem_wait(struct kprobe *probe, struct pt_regs *regs)
{
	struct rw_semaphore *sem = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long owner = atomic_long_read(&sem->owner);

	on_lock_wait(owner, owner & 1);	/* RWSEM_READER_OWNED */
	return 0;
}
NOKPROBE_SYMBOL(on_rwsem_wait);

static int trylock_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct visit *visit = visit_of(current);

	return !visit || !visit->counting;
}
NOKPROBE_SYMBOL(trylock_entry);

static int trylock_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct visit *visit = visit_of(current);

	if (visit && !(int)regs_return_value(regs))
		visit->lock_refused = true;
	return 0;
}
NOKPROBE_SYMBOL(trylock_return);

#define WATCH(function, then) { .symbol_name = function, .pre_handler = then }
static struct kprobe callees[] = {
	WATCH("dma_fence_wait_timeout", on_fence_wait),
	WATCH("ww_mutex_lock", on_ww_lock),
	WATCH("ww_mutex_lock_interruptible", on_ww_lock),
	WATCH("__mutex_lock_slowpath", on_mutex_wait),
	WATCH("__mutex_lock_interruptible_slowpath", on_mutex_wait),
	WATCH("__mutex_lock_killable_slowpath", on_mutex_wait),
	WATCH("rwsem_down_read_slowpath", on_rwsem_wait),
	WATCH("rwsem_down_write_slowpath", on_rwsem_wait),
};

#define WATCH_TRY(function) {							\
	.kp.symbol_name = function, .entry_handler = trylock_entry,		\
	.handler = trylock_return, .maxactive = RULE_TASKS,			\
}
static struct kretprobe trylocks[] = {
	WATCH_TRY("mutex_trylock"),
	WATCH_TRY("down_read_trylock"),
	WATCH_TRY("down_write_trylock"),
};

/* A file */
static int table_show(struct seq_file *file, void *data)
{
	int i, rule;

	seq_puts(file, "shrinker counts scans fence_waits lock_waits");
	for (rule = 0; rule < RULES; rule++)
		seq_printf(file, " %s", rule_names[rule]);
	seq_putc(file, '\n');
	for (i = 0; i < watched_count; i++) {
		const struct watched *what = &watched[i];

		seq_printf(file, "%ps %d %d %d %d", what->scan.kp.addr, atomic_read(&what->counts),
			   atomic_read(&what->scans), atomic_read(&what->fence_waits), atomic_read(&what->lock_waits));
		for (rule = 0; rule < RULES; rule++)
			seq_printf(file, " %d", atomic_read(&what->broken[rule]));
		seq_putc(file, '\n');
	}
	for (i = 0; i < ARRAY_SIZE(callees); i++)
		if (!callees[i].addr)
			seq_printf(file, "not watched: %s\n", callees[i].symbol_name);
	for (i = 0; i < ARRAY_SIZE(trylocks); i++)
		if (!trylocks[i].kp.addr)
			seq_printf(file, "not watched: %s\n", trylocks[i].kp.symbol_name);
	seq_printf(file, "calls not watched: %d\n", atomic_read(&visits_lost));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(table);

/* What is not exported is found as kprobes find it. */
static unsigned long address_of(const char *name)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);

	if (register_kprobe(&probe))
		return 0;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	return lookup(name);
}

/* "FUNCTION+0x1/0x2 [MODULE]" */
static bool in_module(const void *function)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, (unsigned long)function);
	return strchr(name, '[');
}

static void note_shrinker(const struct shrinker *shrinker)
{
	struct watched *what = &watched[watched_count];
	int i;

	if (!in_module(shrinker->scan_objects) || !in_module(shrinker->count_objects))
		return;
	for (i = 0; i < watched_count; i++)
		if (watched[i].scan.kp.addr == (void *)shrinker->scan_objects)
			return;
	if (watched_count == RULE_SHRINKERS)
		return;
	what->count.kp.addr = (void *)shrinker->count_objects;
	what->count.entry_handler = count_entry;
	what->count.handler = count_return;
	what->scan.kp.addr = (void *)shrinker->scan_objects;
	what->scan.entry_handler = scan_entry;
	what->scan.handler = scan_return;
	what->count.data_size = what->scan.data_size = sizeof(struct call);
	what->count.maxactive = what->scan.maxactive = RULE_TASKS;
	watched_count++;
}

/* What keeps the list of shrinkers as it is: until 6.6 a semaphore, which reclaimers hold as readers, since then a mutex. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
typedef struct rw_semaphore rules_list_lock;
#define RULES_LIST_LOCK		"shrinker_rwsem"
#define rules_list_hold		down_read
#define rules_list_release	up_read
#else
typedef struct mutex rules_list_lock;
#define RULES_LIST_LOCK		"shrinker_mutex"
#define rules_list_hold		mutex_lock
#define rules_list_release	mutex_unlock
#endif

static int find_shrinkers(void)
{
	rules_list_lock *lock = (void *)address_of(RULES_LIST_LOCK);
	struct list_head *list = (void *)address_of("shrinker_list");
	struct shrinker *shrinker;

	if (!lock || !list)
		return -ENOENT;
	rules_list_hold(lock);
	list_for_each_entry(shrinker, list, list)
		note_shrinker(shrinker);
	rules_list_release(lock);
	return 0;
}

static struct dentry *rules_root, *rules_debugfs;

static void unwatch(unsigned int shrinkers)
{
	int i;

	while (shrinkers--) {
		unregister_kretprobe(&watched[shrinkers].count);
		unregister_kretprobe(&watched[shrinkers].scan);
	}
	for (i = 0; i < ARRAY_SIZE(callees); i++)
		if (callees[i].addr)
			unregister_kprobe(&callees[i]);
	for (i = 0; i < ARRAY_SIZE(trylocks); i++)
		if (trylocks[i].kp.addr)
			unregister_kretprobe(&trylocks[i]);
}

static int __init rules_init(void)
{
	struct dentry *root;
	int i, ret;

	ret = find_shrinkers();
	if (ret)
		return ret;
	/* Other kernels have other slow paths: the table says which. */
	for (i = 0; i < ARRAY_SIZE(callees); i++)
		if (register_kprobe(&callees[i]))
			callees[i].addr = NULL;
	for (i = 0; i < ARRAY_SIZE(trylocks); i++)
		if (register_kretprobe(&trylocks[i]))
			trylocks[i].kp.addr = NULL;
	for (i = 0; i < watched_count; i++) {
		ret = register_kretprobe(&watched[i].count);
		if (ret)
			goto err_unwatch;
		ret = register_kretprobe(&watched[i].scan);
		if (ret) {
			unregister_kretprobe(&watched[i].count);
			goto err_unwatch;
		}
	}

	/* A GPU model's directory, or another probe's, where there is one; else our own. */
	root = debugfs_lookup("drmsqueeze", NULL);
	if (root)
		dput(root);
	else
		root = rules_root = debugfs_create_dir("drmsqueeze", NULL);
	rules_debugfs = debugfs_create_dir("shrinker_rules", root);
	debugfs_create_file("table", 0400, rules_debugfs, NULL, &table_fops);
	return 0;

err_unwatch:
	unwatch(i);
	return ret;
}
module_init(rules_init);

static void __exit rules_exit(void)
{
	debugfs_remove_recursive(rules_debugfs);
	debugfs_remove(rules_root);
	unwatch(watched_count);
}
module_exit(rules_exit);

MODULE_DESCRIPTION("For drmsqueeze: rules that drivers' shrinkers must keep");
MODULE_LICENSE("GPL");
