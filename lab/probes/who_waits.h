/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who waits for whom (module who_waits.ko): tasks that wait for a fence or for a lock, and the jobs that GPU schedulers
 * have in hand. Stacks say that a task waits for a fence or a lock; this says for which, and who has it.
 */
#ifndef WHO_WAITS_H
#define WHO_WAITS_H

#include <linux/dma-fence.h>
#include <linux/types.h>

struct task_struct;

/* Room for one line of the table, without the newline. */
#define WHO_WAITS_LINE	256

/*
 * Of the jobs of all GPU schedulers that were pushed and have not ended, the finished fence, with a reference, of the
 * one pushed first; or of the one pushed last, if there are two. NULL if there is none. Any context but an NMI.
 */
struct dma_fence *gpu_jobs_first(void);
struct dma_fence *gpu_jobs_last(void);

/* TASK is woken whenever a job is pushed, until it is told off. -ENOSPC: too many are. */
int gpu_jobs_wake(struct task_struct *task);
void gpu_jobs_wake_no_more(struct task_struct *task);

/* Between the files of the module */
int gpu_jobs_init(void);
void gpu_jobs_exit(void);
int waiting_tasks_init(void);
void waiting_tasks_exit(void);

/*
 * Line number AT of each table into LINE: false past its end. A line may be empty. Locks only its own table, and that
 * for the time of one line.
 */
bool gpu_jobs_line(unsigned int at, char *line);
bool waiting_tasks_line(unsigned int at, char *line);

/* "CONTEXT:SEQNO DRIVER/TIMELINE[ signalled MS ms ago]"; the caller sees to it that the fence stays. Returns as scnprintf(). */
int fence_name(char *text, size_t size, struct dma_fence *fence);

#endif
