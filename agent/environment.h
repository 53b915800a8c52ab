/* SPDX-License-Identifier: MIT */
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "agent/root.h"

namespace drmsqueeze
{

/** A line of /proc/meminfo now ("MemAvailable"), KiB; 0 when it cannot be read. */
uint64_t meminfo_kib(const Root &root, const std::string &line);

/** What the kernel keeps for allocations that may not wait (vm.min_free_kbytes), KiB; 0 when it cannot be read. */
uint64_t min_free_kib(const Root &root);

/** environment.json: what of the machine bears on the result. Unknown values are null. */
nlohmann::json describe_environment(const Root &root, const std::string &driver, const std::string &driver_module,
				    uint64_t idle_available_kib);

} // namespace drmsqueeze
