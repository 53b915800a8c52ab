/* SPDX-License-Identifier: MIT */
#include "stressors/drm/platform_driver.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "agent/unique_fd.h"

namespace drmsqueeze
{

Result<PlatformDriver> PlatformDriver::find(const Root &root, const std::string &driver)
{
	const std::string directory = root.path("/sys/bus/platform/drivers/" + driver + "/");
	std::error_code none;
	/* Its links are its devices, which have one back, and its module. */
	for (const auto &entry : std::filesystem::directory_iterator(directory, none))
		if (entry.is_symlink() && std::filesystem::exists(entry.path() / "driver", none))
			return PlatformDriver(directory, entry.path().filename());
	return Error{ENODEV, "no device of " + driver + " in sysfs"};
}

int PlatformDriver::tell(const char *file) const
{
	UniqueFd fd(open((directory_ + file).c_str(), O_WRONLY | O_CLOEXEC));
	if (!fd.valid())
		return errno;
	return write(fd.get(), device_.data(), device_.size()) < 0 ? errno : 0;
}

} // namespace drmsqueeze
