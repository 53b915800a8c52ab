/* SPDX-License-Identifier: MIT */
/*
 * What a hang looks like from inside, taken before anything is given back. Any of these reads can block on the very
 * lock that hangs: so an expendable process does them, each on a thread of its own with a limit, and a read that blocks
 * is evidence too.
 */
#pragma once

#include <functional>
#include <string_view>

#include "agent/control.h"
#include "agent/recorder.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** Stacks of tasks in D state, of interrupt threads, and of kworkers that are busy; one task at a time. */
void collect_stacks(const Root &root, const std::function<void(std::string_view)> &sink);

/**
 * Body of the process: sleeps until evidence is wanted, sends it, says so. A read that has not come back after
 * @limit_ns is a witness "debugfs-blocked PATH", and evidence/blocked-reads.txt has its stack.
 */
int run_evidence(const Root &root, const Recorder &recorder, Control &control, int64_t limit_ns);

} // namespace drmsqueeze
