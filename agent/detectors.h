/* SPDX-License-Identifier: MIT */
/*
 * When the kernel's own detectors of hangs speak. A guest gets this on its kernel's command line; on a board, whose
 * kernel is its own, it is turned for the run and put back. Each by its name in the request: no path comes from there.
 */
#pragma once

#include <array>
#include <map>
#include <string>

#include "agent/result.h"
#include "agent/root.h"
#include "injectors/restore_journal.h"

namespace drmsqueeze
{

struct Detector {
	const char *name;
	const char *path;
};

inline constexpr uint64_t kMostDetectorS = 3600;
inline constexpr std::array<Detector, 5> kDetectors{{
	{"hung_task", "/proc/sys/kernel/hung_task_timeout_secs"},
	{"hung_task_check", "/proc/sys/kernel/hung_task_check_interval_secs"},
	{"watchdog", "/proc/sys/kernel/watchdog_thresh"},
	{"workqueue", "/sys/module/workqueue/parameters/watchdog_thresh"},
	{"rcu", "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"},
}};

/** Sets those that this kernel has; @limits_s by name. */
Status set_detectors(const Root &root, const std::map<std::string, uint64_t> &limits_s, RestoreJournal &journal);

} // namespace drmsqueeze
