/* SPDX-License-Identifier: MIT */
/* The process whose threads run the shrinkers. */
#pragma once

#include <string>
#include <vector>

#include "injectors/scan_tally.h"

namespace drmsqueeze
{

struct ScanOptions {
	const ShrinkMethod *method;
	ShrinkSettings settings;
	std::vector<std::string> bits; /* by name; settings.bits is their mask */
	std::vector<uint64_t> threads; /* for each step of the sweep; one without a sweep */
	double every_ms;               /* pause of a thread between two rounds, before time_scale */
	double spell_ms;               /* of a step, before time_scale */
	bool read_debugfs;
};

/**
 * Scans with as many threads as the step and tally.intensity_percent say, in turns through the steps, until it is
 * killed. A step's row also gets the time for which anything was wanted in it.
 */
[[noreturn]] int run_scans(const ScanOptions &options, const Root &root, double time_scale, ScanTally &tally);

} // namespace drmsqueeze
