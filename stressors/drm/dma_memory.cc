/* SPDX-License-Identifier: MIT */
#include "stressors/drm/dma_memory.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace drmsqueeze
{

namespace
{

constexpr const char *kUdmabuf = "/dev/udmabuf";
constexpr const char *kSystemHeap = "/dev/dma_heap/system";

/* A device that is not there is a driver that is not there: ENODEV, whatever the path says. */
Result<UniqueFd> open_device(const char *path)
{
	UniqueFd fd(::open(path, O_RDWR | O_CLOEXEC));
	if (!fd.valid() && errno == ENOENT)
		return Error{ENODEV, std::string(path) + " is missing"};
	if (!fd.valid())
		return error_of(path);
	return fd;
}

} // namespace

Result<Udmabuf> Udmabuf::open()
{
	auto fd = open_device(kUdmabuf);
	if (!fd)
		return fd.error();
	return Udmabuf(std::move(*fd));
}

Result<DmaBuf> Udmabuf::create(uint64_t bytes) const
{
	UniqueFd memory(memfd_create("drmsqueeze", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (!memory.valid())
		return error_of("memfd_create");
	if (ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
		return error_of("ftruncate");
	/* Its pages must stay: anything else is EINVAL (udmabuf.c, check_memfd_seals). */
	if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		return error_of("F_ADD_SEALS");
	udmabuf_create args{};
	args.memfd = static_cast<uint32_t>(memory.get());
	args.flags = UDMABUF_FLAGS_CLOEXEC;
	args.size = bytes;
	int fd = ioctl(fd_.get(), UDMABUF_CREATE, &args);
	if (fd < 0)
		return error_of("UDMABUF_CREATE");
	return DmaBuf(UniqueFd(fd));
}

Result<DmaHeap> DmaHeap::open()
{
	auto fd = open_device(kSystemHeap);
	if (!fd)
		return fd.error();
	return DmaHeap(std::move(*fd));
}

Result<DmaBuf> DmaHeap::create(uint64_t bytes) const
{
	dma_heap_allocation_data args{};
	args.len = bytes;
	args.fd_flags = O_RDWR | O_CLOEXEC;
	if (ioctl(fd_.get(), DMA_HEAP_IOCTL_ALLOC, &args) != 0)
		return error_of("DMA_HEAP_IOCTL_ALLOC");
	return DmaBuf(UniqueFd(static_cast<int>(args.fd)));
}

} // namespace drmsqueeze
