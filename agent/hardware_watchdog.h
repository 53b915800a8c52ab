/* SPDX-License-Identifier: MIT */
/*
 * The machine's own watchdog (Documentation/watchdog/watchdog-api.rst): resets a board that hangs so hard that nothing
 * else could bring it back but its power switch.
 */
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

#include "agent/result.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

class HardwareWatchdog
{
public:
	/**
	 * Arms the watchdog at @device so that it bites about @after_s after nobody lives, or as late as it can.
	 * Refused (ENOTSUP) where it could not be disarmed again: a board that resets itself after a run was not left
	 * as found.
	 */
	static Result<HardwareWatchdog> arm(const Root &root, const std::string &device, uint32_t after_s);

	/** Its name and what it was set to. */
	const std::string &description() const { return description_; }

	/**
	 * Feeds it until process @agent is gone, and disarms it then. No more is it fed once the ring in @file has had
	 * no new record for so long that it bites @after_s after the last one. A process's exit status.
	 */
	int feed(const std::string &file, pid_t agent);

	/** Disarms it. */
	void disarm();

private:
	HardwareWatchdog(UniqueFd fd, int timeout_s, uint32_t after_s, std::string description)
		: fd_(std::move(fd)), timeout_s_(timeout_s), after_s_(after_s), description_(std::move(description))
	{
	}

	UniqueFd fd_;
	int timeout_s_;
	uint32_t after_s_;
	std::string description_;
};

} // namespace drmsqueeze
