/* SPDX-License-Identifier: MIT */
#pragma once

#include <string_view>

#include "agent/control.h"
#include "agent/recorder.h"

namespace drmsqueeze
{

/** Sends @content as a file of the run directory; @name is relative to it and at most 72 bytes long. */
void send_file(const Recorder &recorder, Control &control, std::string_view name, std::string_view content);

} // namespace drmsqueeze
