/* SPDX-License-Identifier: MIT */
#include "agent/ring_source.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/unique_fd.h"

namespace drmsqueeze
{

Result<std::string> find_ivshmem(const Root &root)
{
	constexpr std::string_view kDevices = "/sys/bus/pci/devices";
	std::error_code error;
	for (const auto &entry : std::filesystem::directory_iterator(root.path(kDevices), error)) {
		std::string device = std::string(kDevices) + "/" + entry.path().filename().string();
		auto vendor = root.read(device + "/vendor");
		auto id = root.read(device + "/device");
		if (vendor && id && trimmed(*vendor) == "0x1af4" && trimmed(*id) == "0x1110")
			return root.path(device + "/resource2");
	}
	return Error{ENODEV, "no ivshmem device (PCI 1af4:1110)"};
}

Result<RingMemory> map_ring(const std::string &file)
{
	UniqueFd fd(open(file.c_str(), O_RDWR | O_CLOEXEC));
	struct stat info {
	};
	if (!fd.valid() || fstat(fd.get(), &info) != 0)
		return Error{errno, file + ": " + strerror(errno)};
	auto bytes = static_cast<uint64_t>(info.st_size);
	void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
	if (base == MAP_FAILED)
		return Error{errno, file + ": mmap: " + strerror(errno)};
	return RingMemory{base, bytes};
}

Result<RingMemory> open_ring_memory(const std::string &asked)
{
	if (!asked.empty())
		return map_ring(asked);
	auto found = find_ivshmem(Root());
	if (!found)
		return Error{found.error().code, found.error().reason + "; give --ring FILE"};
	return map_ring(*found);
}

} // namespace drmsqueeze
