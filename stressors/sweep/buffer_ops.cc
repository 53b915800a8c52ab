/* SPDX-License-Identifier: MIT */
/*
 * dma-bufs and their ioctls (drivers/dma-buf/dma-buf.c), and who makes them without a GPU: the system heap
 * (drivers/dma-buf/heaps/system_heap.c) and udmabuf (drivers/dma-buf/udmabuf.c).
 */
#include "stressors/sweep/mapped.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stressors/drm/mapping.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/fences.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPage = 4096;

class HeapAllocate : public Operation
{
public:
	Status set_up() override { return status_of(keep(open(kSystemHeap, O_RDWR | O_CLOEXEC), heap_), kSystemHeap); }
	int act() override { return allocate_heap(heap_.get(), dmabuf_); }
	Status check() override { return try_pages(dmabuf_.get()); }
	UniqueFd share() override { return std::move(dmabuf_); }

private:
	UniqueFd heap_;
	UniqueFd dmabuf_;
};

/** A memfd as udmabuf wants it: sealed against shrinking. */
class Udmabuf : public Operation
{
public:
	Status set_up() override
	{
		if (int error = keep(open(kUdmabuf, O_RDWR | O_CLOEXEC), device_))
			return status_of(error, kUdmabuf);
		if (int error = keep(memfd_create("drmsqueeze-udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING), memory_))
			return status_of(error, "memfd");
		if (ftruncate(memory_.get(), kBufferBytes) != 0 ||
		    fcntl(memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
			return status_of(errno, "memfd");
		return {};
	}
	int act() override
	{
		udmabuf_create args{};
		args.memfd = static_cast<uint32_t>(memory_.get());
		args.flags = UDMABUF_FLAGS_CLOEXEC;
		args.size = kBufferBytes;
		return keep(ioctl(device_.get(), UDMABUF_CREATE, &args), dmabuf_);
	}
	Status check() override { return try_pages(dmabuf_.get()); }
	UniqueFd share() override { return std::move(dmabuf_); }

protected:
	UniqueFd device_;
	UniqueFd memory_;
	UniqueFd dmabuf_;
};

class UdmabufList : public Udmabuf
{
public:
	int act() override
	{
		constexpr uint64_t kItems = 2;
		alignas(udmabuf_create_list) char
			space[sizeof(udmabuf_create_list) + kItems * sizeof(udmabuf_create_item)]{};
		auto *args = new (space) udmabuf_create_list;
		args->flags = UDMABUF_FLAGS_CLOEXEC;
		args->count = kItems;
		for (uint64_t i = 0; i < kItems; i++)
			args->list[i] = {static_cast<uint32_t>(memory_.get()), 0, i * kBufferBytes / kItems,
					 kBufferBytes / kItems};
		return keep(ioctl(device_.get(), UDMABUF_CREATE_LIST, args), dmabuf_);
	}
};

/** A step on a dma-buf that is there. */
class WithHeapBuffer : public Operation
{
public:
	Status set_up() override { return make_dmabuf(dmabuf_); }
	Status check() override { return try_pages(dmabuf_.get()); }
	UniqueFd share() override { return std::move(dmabuf_); }

protected:
	int map_fd() const { return dmabuf_.get(); }
	static uint64_t map_offset() { return 0; }

	UniqueFd dmabuf_;
};

class WithUdmabuf : public Udmabuf
{
public:
	Status set_up() override
	{
		if (Status status = Udmabuf::set_up(); !status)
			return status;
		return status_of(Udmabuf::act(), "UDMABUF_CREATE");
	}

protected:
	int map_fd() const { return dmabuf_.get(); }
	static uint64_t map_offset() { return 0; }
};

class Sync : public WithHeapBuffer
{
public:
	int act() override
	{
		for (uint64_t flags : {DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW}) {
			dma_buf_sync args{flags};
			if (int error = call(dmabuf_.get(), DMA_BUF_IOCTL_SYNC, &args))
				return error;
		}
		return 0;
	}
};

class SetName : public WithHeapBuffer
{
public:
	int act() override { return ioctl(dmabuf_.get(), DMA_BUF_SET_NAME_B, "drmsqueeze") < 0 ? errno : 0; }
};

class Poll : public WithHeapBuffer
{
public:
	int act() override
	{
		pollfd wait{dmabuf_.get(), POLLIN | POLLOUT, 0};
		return poll(&wait, 1, 0) < 0 ? errno : 0;
	}
};

/** A fence that is pending, and a buffer that it can be put into. */
class WithFence : public WithHeapBuffer
{
public:
	Status set_up() override
	{
		if (int error = keep(open(kSwSync, O_RDWR | O_CLOEXEC), timeline_))
			return status_of(error, "sw_sync");
		if (int error = create_point(timeline_.get(), 1, point_))
			return status_of(error, "point of a timeline");
		return WithHeapBuffer::set_up();
	}

protected:
	int import_fence()
	{
		dma_buf_import_sync_file args{DMA_BUF_SYNC_WRITE, point_.get()};
		return call(dmabuf_.get(), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args);
	}
	int export_fence()
	{
		dma_buf_export_sync_file args{DMA_BUF_SYNC_READ, -1};
		int error = call(dmabuf_.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args);
		return error ? error : keep(args.fd, fence_);
	}
	/** The fence that the buffer gives is the one that was put in: pending, and signalled with the timeline. */
	Status is_the_point()
	{
		pollfd wait{fence_.get(), POLLIN, 0};
		if (poll(&wait, 1, 0) != 0)
			return Error{EIO, "the buffer's fence has signalled early"};
		if (int error = move_on(timeline_.get(), 1))
			return status_of(error, "sw_sync");
		return wait_for_sync_file(fence_.get());
	}

	UniqueFd timeline_;
	UniqueFd point_;
	UniqueFd fence_;
};

class ImportSyncFile : public WithFence
{
public:
	int act() override { return import_fence(); }
	Status check() override
	{
		if (int error = export_fence())
			return status_of(error, "EXPORT_SYNC_FILE");
		return is_the_point();
	}
};

class ExportSyncFile : public WithFence
{
public:
	Status set_up() override
	{
		if (Status status = WithFence::set_up(); !status)
			return status;
		return status_of(import_fence(), "IMPORT_SYNC_FILE");
	}
	int act() override { return export_fence(); }
	Status check() override { return is_the_point(); }
};

/** A callback is hung on the pending fence (dma_buf_poll_add_cb), and must not be there when all is closed. */
class PollFence : public ExportSyncFile
{
public:
	int act() override
	{
		pollfd wait{dmabuf_.get(), POLLIN | POLLOUT, 0};
		return poll(&wait, 1, 0) < 0 ? errno : 0;
	}
	Status check() override
	{
		if (int error = export_fence())
			return status_of(error, "EXPORT_SYNC_FILE");
		return is_the_point();
	}
};

template <const char *const &path>
std::string without()
{
	UniqueFd fd(open(path, O_RDWR | O_CLOEXEC));
	return fd.valid() ? "" : std::string(path) + ": " + strerror(errno);
}

constexpr OperationType kOperations[] = {
	{"dma_heap/alloc", make<HeapAllocate>, without<kSystemHeap>, try_dmabuf},
	{"udmabuf/create", make<Udmabuf>, without<kUdmabuf>, try_dmabuf},
	{"udmabuf/create-list", make<UdmabufList>, without<kUdmabuf>, try_dmabuf},
	{"udmabuf/mmap", make<Map<WithUdmabuf>>, without<kUdmabuf>, try_dmabuf},
	{"udmabuf/fault", make<Touch<WithUdmabuf>>, without<kUdmabuf>, try_dmabuf},
	{"dma_buf/mmap", make<Map<WithHeapBuffer>>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/fault", make<Touch<WithHeapBuffer>>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/sync", make<Sync>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/set-name", make<SetName>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/poll", make<Poll>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/poll-fence", make<PollFence>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/import-sync-file", make<ImportSyncFile>, without<kSystemHeap>, try_dmabuf},
	{"dma_buf/export-sync-file", make<ExportSyncFile>, without<kSystemHeap>, try_dmabuf},
};

} // namespace

std::span<const OperationType> buffer_operations()
{
	return kOperations;
}

int allocate_heap(int heap, UniqueFd &dmabuf)
{
	dma_heap_allocation_data args{};
	args.len = kBufferBytes;
	args.fd_flags = O_RDWR | O_CLOEXEC;
	int error = call(heap, DMA_HEAP_IOCTL_ALLOC, &args);
	return error ? error : keep(static_cast<int>(args.fd), dmabuf);
}

Status make_dmabuf(UniqueFd &dmabuf)
{
	UniqueFd heap;
	if (int error = keep(open(kSystemHeap, O_RDWR | O_CLOEXEC), heap))
		return status_of(error, kSystemHeap);
	return status_of(allocate_heap(heap.get(), dmabuf), "DMA_HEAP_IOCTL_ALLOC");
}

Status try_pages(int fd, uint64_t bytes)
{
	auto view = Mapping::create(fd, 0, bytes, PROT_READ | PROT_WRITE);
	if (!view)
		return view.error();
	for (uint64_t offset = 0; offset < bytes; offset += kPage) {
		char value = static_cast<char>(offset / kPage + 1);
		if (int error = store_byte(view->data() + offset, value))
			return status_of(error, "write to page " + std::to_string(offset / kPage));
		if (view->data()[offset] != value)
			return Error{EIO, "page " + std::to_string(offset / kPage) + " holds another value"};
	}
	return {};
}

Status try_dmabuf(int fd)
{
	return try_pages(fd);
}

} // namespace drmsqueeze
