/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/operation.h"

#include <cerrno>
#include <cstring>
#include <sys/ioctl.h>

#include "stressors/drm/bus_guard.h"
#include "stressors/sweep/families.h"

namespace drmsqueeze
{

std::span<const OperationType *const> all_operations()
{
	static const std::vector<const OperationType *> all = [] {
		std::vector<const OperationType *> list;
		for (const auto &family :
		     {panfrost_operations(), panfrost_job_operations(), panfrost_heap_operations(),
		      panthor_operations(), panthor_job_operations(), panthor_heap_operations(), lima_operations(),
		      lima_job_operations(), lima_heap_operations(), msm_operations(), msm_queue_operations(),
		      msm_job_operations(), drm_operations(), vgem_operations(), buffer_operations(),
		      fence_operations(), control_operations()})
			for (const OperationType &type : family)
				list.push_back(&type);
		return list;
	}();
	return all;
}

int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? errno : 0;
}

int keep(int fd, UniqueFd &kept)
{
	int error = fd < 0 ? errno : 0;
	kept.reset(fd);
	return error;
}

Status status_of(int error, const std::string &what)
{
	return error ? Status(Error{error, what + ": " + strerror(error)}) : Status();
}

int store_byte(volatile char *address, char value)
{
	return survives_sigbus([&] { *address = value; }) ? 0 : EFAULT;
}

} // namespace drmsqueeze
