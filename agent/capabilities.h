/* SPDX-License-Identifier: MIT */
#pragma once

#include <nlohmann/json.hpp>

#include "agent/root.h"

namespace drmsqueeze
{

/** What can be done on this machine, and for the rest the reason why not. Changes nothing. */
nlohmann::json describe_capabilities(const Root &root);

} // namespace drmsqueeze
