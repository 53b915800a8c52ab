/* SPDX-License-Identifier: MIT */
/*
 * Witnesses that have to be looked for, and whose looking may block: tasks in D state, taint, devcoredumps. An
 * expendable process of its own does it while the run goes on; nobody waits for it.
 */
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/control.h"
#include "agent/recorder.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** Bits of /proc/sys/kernel/tainted as letters, in the kernel's order (taint_flags of kernel/panic.c); "#N" beyond. */
std::string taint_letters(uint64_t bits);

/** /proc/sys/kernel/tainted; 0 where it cannot be read. */
uint64_t taint_of(const Root &root);

/**
 * Saves what drivers left in /sys/class/devcoredump and is not in @seen yet: the first MiB as
 * evidence/devcoredump-NAME.bin, a witness "devcoredump NAME DRIVER". Then lets the kernel free it, since a device
 * makes no other while there is one. The fifth of a run is left: dumps take memory, and drivers without a reader make
 * one only.
 */
void collect_coredumps(const Root &root, const Recorder &recorder, Control &control, std::set<std::string> &seen);

/** How many look on their own account, and count themselves in Control::last_looks. */
inline constexpr uint32_t kLookers = 2;

/** Body of the process, until a last look is wanted. @blocked_limit_ns: how long a task may stay in one sleep. */
int run_watcher(const Root &root, const Recorder &recorder, Control &control, int64_t blocked_limit_ns);

} // namespace drmsqueeze
