/* SPDX-License-Identifier: MIT */
#pragma once

#include <functional>
#include <string>

#include "agent/root.h"

namespace drmsqueeze
{

/**
 * Has the kernel look for memory that nobody refers to any more (mm/kmemleak.c, CONFIG_DEBUG_KMEMLEAK), and returns its
 * report; empty when the kernel cannot. Takes some ten seconds: an object must be five seconds old (MSECS_MIN_AGE), and
 * not have changed since the scan before. @alive is called between the steps.
 */
std::string scan_for_leaks(const Root &root, const std::function<void()> &alive);

} // namespace drmsqueeze
