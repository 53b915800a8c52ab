// SPDX-License-Identifier: GPL-2.0-only
/*
 * An addition to the model of a Mali with a Job Manager: memory that the GPU shares with a process, and device faults.
 *
 * No Mali of this family has it, and panfrost does not know of it. What it stands for are GPUs whose compute jobs run
 * on a process's own page tables, with recoverable page faults ("Recoverable Hardware Page Faults Implications" in
 * Documentation/driver-api/dma-buf.rst): a WRITE_VALUE job that writes between MALI_SHARED_VA and MALI_SHARED_END finds no
 * page and waits. The driver hears nothing; the pager sees the fault in debugfs, and says there when the page has come.
 * A page serves the chain that waited for it until the chain touches another one: nothing is remembered beyond that.
 * What is written goes nowhere, for the pager alone knows where the page lies.
 *
 * Shader cores are shared by all slots. A job that waits for a page keeps those that it may use, so that no other slot
 * gets on, unless it was preempted (planted). A preempted job keeps its slot: whoever stands behind it there waits, since
 * a slot reports the ends of its chains in their order.
 */
#include "mali_jm.h"

#define MALI_SHARED_PAGE	(~(u64)GENMASK(11, 0))

/* An access of the current job of slot N. False: the chain waits for the page. */
bool mali_shared_access(struct mali_jm *jm, unsigned int n, u64 va, void **p)
{
	struct mali_js *js = &jm->js[n];
	u64 unused;

	if (js->present_page == (va & MALI_SHARED_PAGE)) {
		*p = &js->shared_sink;
		return true;
	}

	js->missing_page = va & MALI_SHARED_PAGE;
	js->preempted = gpu_model_fault_hit(&jm->gm, MALI_FAULT_PREEMPT_DEVICE_FAULT, &unused);
	WRITE_ONCE(jm->gm.device_faults, jm->gm.device_faults | BIT(n));
	jm->gm.counters[MALI_DEVICE_FAULTS_RAISED]++;
	return false;
}

/* Slot N's chain has ended, or has what it waited for: who wants its cores goes on. */
void mali_shared_forget(struct mali_jm *jm, unsigned int n)
{
	jm->js[n].missing_page = 0;
	jm->js[n].preempted = false;
	WRITE_ONCE(jm->gm.device_faults, jm->gm.device_faults & ~BIT(n));
	gpu_model_kick(&jm->gm);
}

/* The page that the first of the slots waits for, 0 if none does. */
u64 mali_shared_fault(struct mali_jm *jm)
{
	unsigned int n;

	for (n = 0; n < MALI_NUM_JS; n++) {
		if (jm->js[n].missing_page)
			return jm->js[n].missing_page;
	}
	return 0;
}

/* The page of VA is there; false if nobody waits for it. */
bool mali_shared_resolve(struct mali_jm *jm, u64 va)
{
	bool resolved = false;
	unsigned int n;

	for (n = 0; n < MALI_NUM_JS; n++) {
		struct mali_js *js = &jm->js[n];

		if (!js->missing_page || js->missing_page != (va & MALI_SHARED_PAGE))
			continue;
		js->present_page = js->missing_page;
		mali_shared_forget(jm, n);
		jm->gm.counters[MALI_DEVICE_FAULTS_RESOLVED]++;
		resolved = true;
	}
	return resolved;
}

/* Whether a core that slot N's chain may use is kept by another slot's, which waits for a page. */
bool mali_shared_cores_held(const struct mali_jm *jm, unsigned int n)
{
	unsigned int other;

	for (other = 0; other < MALI_NUM_JS; other++) {
		const struct mali_js *js = &jm->js[other];

		if (other != n && js->missing_page && !js->preempted && (js->affinity & jm->js[n].affinity))
			return true;
	}
	return false;
}
