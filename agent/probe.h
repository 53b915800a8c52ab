/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/control.h"
#include "agent/recorder.h"
#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/**
 * Body of the process that asks, once, whether the GPU still works: a fresh context, one short write to a buffer that
 * is backed at once. Made before the run, so that it needs no fork when things are bad. Says probe-ok or probe-failed;
 * the supervisor has the clock.
 */
int run_probe(const Driver &driver, const Recorder &recorder, Control &control, int64_t limit_ns);

} // namespace drmsqueeze
