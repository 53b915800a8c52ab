/* SPDX-License-Identifier: MIT */
#pragma once

#include <string>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** A driver of the platform bus with its device, which can be taken from it and given back by sysfs. */
class PlatformDriver
{
public:
	/** With the device that is bound to it now: nobody finds it while it is not. ENODEV when none is. */
	static Result<PlatformDriver> find(const Root &root, const std::string &driver);

	/* 0 or errno. */
	int unbind() const { return tell("unbind"); }
	int bind() const { return tell("bind"); }

private:
	PlatformDriver(std::string directory, std::string device)
		: directory_(std::move(directory)), device_(std::move(device))
	{
	}

	int tell(const char *file) const;

	std::string directory_;
	std::string device_;
};

} // namespace drmsqueeze
