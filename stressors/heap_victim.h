/* SPDX-License-Identifier: MIT */
/* A process whose tiler heap is growing when something that the growth stands on is taken away. */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>

#include "agent/root.h"
#include "stressors/drivers/driver.h"
#include "stressors/drm/platform_driver.h"

namespace drmsqueeze
{

/** What goes while a heap grows; `nothing` is the control. */
enum class Gone { nothing, heap, group, vm, file, process, device };

/** Its name in scenarios and reports. */
const char *name_of(Gone part);

/** Whether @driver can take @part away, tried on an open file of its own; else why not. */
Status try_taking(const Driver &driver, Gone part);

/** What other threads of the process do with the VM of a heap that grows. */
enum class Use { heap, bind, submit };
constexpr size_t kUses = 3;

struct VictimPlan {
	Gone part = Gone::nothing;
	uint64_t chunk_bytes = 0; /* what the heap begins with */
	uint64_t heap_bytes = 0;  /* of the job; more than one chunk, so that it has to grow */
	bool neighbour = false;   /* a second group of the same VM wants its own heap to grow while the part goes */
	bool used = false;        /* other threads use the VM while the part goes: each Use */
	int64_t patience_ns = 0;  /* for a fence */
	std::optional<PlatformDriver> device = {}; /* that goes with Gone::device */
};

/** Written by the victim in memory that others read, whatever becomes of it. Times are CLOCK_MONOTONIC, 0: not yet. */
struct VictimFate {
	std::atomic<int64_t> growing_ns; /* the kernel was seen at work on the growth */
	std::atomic<int64_t> taking_ns;  /* the part begins to go */
	std::atomic<int64_t> taken_ns;   /* the call is back */
	std::atomic<int> taken_error;
	std::atomic<int64_t> fence_ns;    /* the job's fence has signalled, or patience is over */
	std::atomic<int> fence_error;     /* ETIME: it did not */
	std::atomic<int> neighbour_error; /* the same of the neighbour's */
	std::atomic<bool> no_growth;      /* the job went through with no growth seen: the case says nothing */
	struct {
		std::atomic<int64_t> begin_ns;
		std::atomic<int64_t> end_ns;
		std::atomic<int> error;
	} uses[kUses]; /* by Use: making another heap, making and binding a BO, submitting to the queue that waits */
	char failure[160]; /* of setting up */

	void fail(const Error &error);
};

/** What the GPU model counted of growths, and of what a job without its heap runs into; empty on a board. */
std::map<std::string, uint64_t> growth_counters(const Root &root);

/**
 * How many growths have begun: those that traps hold up, and where there is no such trap all, as the GPU model counts
 * how often it asked for one; ENOENT when there is neither.
 */
Result<uint64_t> growths_begun(const Root &root);

/** In a process of its own: all of it, and the end of the process. Never returns. */
[[noreturn]] void run_victim(const Root &root, const Driver &driver, const VictimPlan &plan, VictimFate &fate);

} // namespace drmsqueeze
