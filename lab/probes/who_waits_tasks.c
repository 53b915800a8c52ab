// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for whom: tasks that wait for a fence, a mutex, a semaphore or a work item, from return probes on the
 * functions that wait. Of locks only the slow paths are probed, where a task goes once the lock was found taken. A
 * kernel with CONFIG_DEBUG_LOCK_ALLOC has no such functions; there lockdep says who holds what.
 *
 * A probe's entry may run as an NMI, so no lock is taken: a place in the table is claimed, and read, by its state.
 */
#include <linux/dma-fence.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "who_waits.h"

#define WAITING_TASKS	128

/* Bits of an owner that are no part of its address: kernel/locking/mutex.h, rwsem.c. */
#define OWNER_FLAGS	0x7UL
#define OWNER_READS	0x1UL

enum state { IS_FREE, IS_CLAIMED, WAITS, IS_SHOWN };

enum what { FENCE, MUTEX, RWSEM, WORK };

struct wait {
	atomic_t state;

	/* Those below belong to who made the state IS_CLAIMED, or IS_SHOWN. What is waited for stays until it is IS_FREE. */
	struct task_struct *task;
	void *object;
	enum what what;
	u64 since_ns;
};

struct wait_probe {
	struct kretprobe probe;
	enum what what;
};

static struct wait waiting[WAITING_TASKS];

/* The functions run in task context, so who reads a place finds its task alive: it cannot leave the function. */
static int wait_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct wait_probe *probe = container_of(get_kretprobe(instance), struct wait_probe, probe);
	struct wait **place = (void *)instance->data;
	struct wait *wait;

	for (wait = waiting; wait < waiting + WAITING_TASKS; wait++) {
		if (atomic_cmpxchg(&wait->state, IS_FREE, IS_CLAIMED) != IS_FREE)
			continue;
		wait->task = current;
		wait->object = (void *)regs_get_kernel_argument(regs, 0);
		wait->what = probe->what;
		wait->since_ns = ktime_get_mono_fast_ns();
		atomic_set_release(&wait->state, WAITS);
		*place = wait;
		return 0;
	}
	/* More than fit: who comes later is not known. */
	return 1;
}
NOKPROBE_SYMBOL(wait_entry);

static int wait_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct wait *wait = *(struct wait **)instance->data;

	while (atomic_cmpxchg(&wait->state, WAITS, IS_FREE) != WAITS)
		cpu_relax();
	return 0;
}
NOKPROBE_SYMBOL(wait_return);

#define WAIT_PROBE(symbol, kind) {					\
	.probe = {							\
		.kp.symbol_name = symbol,				\
		.entry_handler = wait_entry,				\
		.handler = wait_return,					\
		.data_size = sizeof(struct wait *),			\
		.maxactive = WAITING_TASKS,				\
	},								\
	.what = kind,							\
}

/* A struct ww_mutex begins with its mutex. */
static struct wait_probe wait_probes[] = {
	WAIT_PROBE("dma_fence_wait_timeout", FENCE),
	WAIT_PROBE("__mutex_lock_slowpath", MUTEX),
	WAIT_PROBE("__mutex_lock_killable_slowpath", MUTEX),
	WAIT_PROBE("__mutex_lock_interruptible_slowpath", MUTEX),
	WAIT_PROBE("__ww_mutex_lock_slowpath", MUTEX),
	WAIT_PROBE("__ww_mutex_lock_interruptible_slowpath", MUTEX),
	WAIT_PROBE("rwsem_down_read_slowpath", RWSEM),
	WAIT_PROBE("rwsem_down_write_slowpath", RWSEM),
	WAIT_PROBE("__flush_work", WORK),
};

/* An owner is alive while it holds the lock, and its memory for as long as RCU is held. */
static void lock_name(char *text, size_t size, const char *kind, unsigned long owner, bool reads)
{
	struct task_struct *task = (void *)(owner & ~OWNER_FLAGS);

	if (reads)
		scnprintf(text, size, "lock %s held by readers", kind);
	else if (task)
		scnprintf(text, size, "lock %s held by %d [%s]", kind, task->pid, task->comm);
	else
		scnprintf(text, size, "lock %s held by nobody", kind);
}

static void wait_name(char *text, size_t size, const struct wait *wait)
{
	unsigned long owner;

	rcu_read_lock();
	switch (wait->what) {
	case FENCE:
		text += scnprintf(text, size, "fence ");
		fence_name(text, size - strlen("fence "), wait->object);
		break;
	case MUTEX:
		owner = atomic_long_read(&((struct mutex *)wait->object)->owner);
		lock_name(text, size, "mutex", owner, false);
		break;
	case RWSEM:
		owner = atomic_long_read(&((struct rw_semaphore *)wait->object)->owner);
		lock_name(text, size, "rwsem", owner, owner & OWNER_READS);
		break;
	case WORK:
		scnprintf(text, size, "work %ps", ((struct work_struct *)wait->object)->func);
		break;
	}
	rcu_read_unlock();
}

bool waiting_tasks_line(unsigned int at, char *line)
{
	struct wait *wait = waiting + at;
	unsigned long flags;
	int len;

	if (at >= WAITING_TASKS)
		return false;

	*line = '\0';
	/* Whoever returns from its wait spins meanwhile. */
	local_irq_save(flags);
	if (atomic_cmpxchg(&wait->state, WAITS, IS_SHOWN) == WAITS) {
		len = scnprintf(line, WHO_WAITS_LINE, "task %d [%s] %llu ms ", wait->task->pid, wait->task->comm,
				div_u64(ktime_get_mono_fast_ns() - wait->since_ns, NSEC_PER_MSEC));
		wait_name(line + len, WHO_WAITS_LINE - len, wait);
		atomic_set_release(&wait->state, WAITS);
	}
	local_irq_restore(flags);
	return true;
}

/* Which of the functions there are depends on the kernel's config; that of fences must be there. */
int waiting_tasks_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(wait_probes); i++) {
		ret = register_kretprobe(&wait_probes[i].probe);
		if (!ret)
			continue;
		wait_probes[i].probe.kp.addr = NULL;
		if (wait_probes[i].what == FENCE)
			return ret;
	}
	return 0;
}

/* Returns that are still to come do not get here any more, and need not. */
void waiting_tasks_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wait_probes); i++) {
		if (wait_probes[i].probe.kp.addr)
			unregister_kretprobe(&wait_probes[i].probe);
	}
}
