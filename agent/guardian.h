/* SPDX-License-Identifier: MIT */
/*
 * The guardian turns the machine's knobs and holds its memory, and it puts all back when the supervisor asks or dies,
 * or when it is told to end. Killed itself, its children die with it and the keeper puts back what the journal says.
 */
#pragma once

#include <csignal>
#include <string>

#include "agent/control.h"
#include "agent/recorder.h"

namespace drmsqueeze
{

/**
 * Carries out the request in @recorder's ring. Ends early, with everything given back, on SIGTERM, SIGINT and SIGHUP,
 * for which it takes @mask as its signal mask. The process's exit status.
 */
int guard(const std::string &journal, const Recorder &recorder, Control &control, const sigset_t &mask);

} // namespace drmsqueeze
