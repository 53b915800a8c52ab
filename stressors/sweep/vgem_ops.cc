/* SPDX-License-Identifier: MIT */
/* vgem (drivers/gpu/drm/vgem/): its two ioctls, and the dumb buffers that it has them for. */
#include <cerrno>
#include <drm.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <vgem_drm.h>

#include "stressors/drm/mapping.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/mapped.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kDriver = "vgem";

int create_dumb(int fd, uint32_t &handle)
{
	constexpr uint32_t kBits = 32;
	drm_mode_create_dumb args{};
	args.width = 128;
	args.height = kBufferBytes / args.width / (kBits / 8);
	args.bpp = kBits;
	int error = call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &args);
	handle = args.handle;
	return error;
}

int map_dumb(int fd, uint32_t handle, uint64_t &offset)
{
	drm_mode_map_dumb args{};
	args.handle = handle;
	int error = call(fd, DRM_IOCTL_MODE_MAP_DUMB, &args);
	offset = args.offset;
	return error;
}

class OnVgem : public Operation
{
public:
	Status set_up() override { return status_of(open_driver(kDriver, file_), kDriver); }

protected:
	int fd() const { return file_.get(); }

	Status pages_work()
	{
		uint64_t offset = 0;
		if (int error = map_dumb(file_.get(), handle_, offset))
			return status_of(error, "MODE_MAP_DUMB");
		auto view =
			Mapping::create(file_.get(), static_cast<off_t>(offset), kBufferBytes, PROT_READ | PROT_WRITE);
		return view ? status_of(store_byte(view->data(), 1), "write to the mapping") : Status(view.error());
	}

	UniqueFd file_;
	uint32_t handle_ = 0;
};

class OnBuffer : public OnVgem
{
public:
	Status set_up() override
	{
		if (Status status = OnVgem::set_up(); !status)
			return status;
		return status_of(create_dumb(file_.get(), handle_), "MODE_CREATE_DUMB");
	}
	Status check() override { return pages_work(); }
	UniqueFd share() override { return export_handle(file_.get(), handle_); }
};

class CreateDumb : public OnVgem
{
public:
	int act() override { return create_dumb(file_.get(), handle_); }
	Status check() override { return pages_work(); }
	UniqueFd share() override { return export_handle(file_.get(), handle_); }
};

class MapDumb : public OnBuffer
{
public:
	int act() override { return map_dumb(file_.get(), handle_, offset_); }

protected:
	uint64_t offset_ = 0;
};

class Attach : public OnBuffer
{
public:
	int act() override
	{
		drm_vgem_fence_attach args{};
		args.handle = handle_;
		args.flags = VGEM_FENCE_WRITE;
		int error = call(file_.get(), DRM_IOCTL_VGEM_FENCE_ATTACH, &args);
		fence_ = args.out_fence;
		return error;
	}
	/* A second writer is refused as long as the first is pending. */
	Status check() override
	{
		uint32_t first = fence_;
		if (act() != EBUSY)
			return Error{EIO, "the buffer is not busy with its fence"};
		fence_ = first;
		if (int error = signal())
			return status_of(error, "FENCE_SIGNAL");
		if (int error = act())
			return status_of(error, "FENCE_ATTACH after the signal");
		if (int error = signal())
			return status_of(error, "FENCE_SIGNAL");
		return OnBuffer::check();
	}

protected:
	int signal()
	{
		drm_vgem_fence_signal args{fence_, 0};
		return call(file_.get(), DRM_IOCTL_VGEM_FENCE_SIGNAL, &args);
	}

	uint32_t fence_ = 0;
};

class Signal : public Attach
{
public:
	Status set_up() override
	{
		if (Status status = Attach::set_up(); !status)
			return status;
		return status_of(Attach::act(), "FENCE_ATTACH");
	}
	int act() override { return signal(); }
	Status check() override { return pages_work(); }
};

std::string unsupported()
{
	return driver_missing(kDriver);
}

constexpr OperationType kOperations[] = {
	{"vgem/create-dumb", make<CreateDumb>, unsupported, try_dmabuf},
	{"vgem/map-dumb", make<MapDumb>, unsupported, try_dmabuf},
	{"vgem/mmap", make<Map<WithOffset<MapDumb>>>, unsupported, try_dmabuf},
	{"vgem/fault", make<Touch<WithOffset<MapDumb>>>, unsupported, try_dmabuf},
	{"vgem/fence-attach", make<Attach>, unsupported, try_dmabuf},
	{"vgem/fence-signal", make<Signal>, unsupported, try_dmabuf},
};

} // namespace

std::span<const OperationType> vgem_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
