/* SPDX-License-Identifier: MIT */
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "agent/root.h"

namespace drmsqueeze
{

/** MemAvailable now, KiB; 0 when it cannot be read. */
uint64_t available_kib(const Root &root);

/** environment.json: what of the machine bears on the result. Unknown values are null. */
nlohmann::json describe_environment(const Root &root, const std::string &driver, const std::string &driver_module,
				    uint64_t idle_available_kib);

} // namespace drmsqueeze
