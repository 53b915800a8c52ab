/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/control.h"
#include "agent/recorder.h"

namespace drmsqueeze
{

/**
 * Sends a file of the run directory piece by piece: what was sent is kept, whatever becomes of the sender. Allocates
 * nothing. Borrows its recorder.
 */
class FileSender
{
public:
	/** @name is relative to the run directory and at most 72 bytes long. */
	FileSender(const Recorder &recorder, Control &control, std::string_view name);

	void append(std::string_view content);
	uint64_t bytes() const { return bytes_; }

private:
	const Recorder &recorder_;
	uint64_t number_;
	uint64_t bytes_ = 0;
};

/** Sends @content as a file of the run directory; @name as above. */
void send_file(const Recorder &recorder, Control &control, std::string_view name, std::string_view content);

} // namespace drmsqueeze
