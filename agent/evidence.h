/* SPDX-License-Identifier: MIT */
/*
 * What a hang looks like from inside, taken before anything is given back. An expendable process does it: any of these
 * reads can block on the very lock that hangs, and a read that blocks is evidence too.
 */
#pragma once

#include <string>

#include "agent/control.h"
#include "agent/recorder.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** Stacks of tasks in D state, of interrupt threads, and of kworkers that are busy. */
std::string collect_stacks(const Root &root, const Recorder *recorder);

/** Body of the process: sleeps until evidence is wanted, sends it, says so. */
int run_evidence(const Root &root, const Recorder &recorder, Control &control);

} // namespace drmsqueeze
