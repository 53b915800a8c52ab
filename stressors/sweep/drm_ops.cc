/* SPDX-License-Identifier: MIT */
/*
 * What the DRM core does for a driver (drivers/gpu/drm/drm_file.c, drm_gem.c, drm_prime.c): opening and closing its
 * node, exporting and importing dma-bufs.
 */
#include <array>
#include <cerrno>
#include <drm.h>
#include <fcntl.h>
#include <map>
#include <unistd.h>

#include "stressors/drm/device.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/driver_bo.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"

namespace drmsqueeze
{

namespace
{

const char kLima[] = "lima";
const char kMsm[] = "msm";
const char kPanfrost[] = "panfrost";
const char kPanthorName[] = "panthor";
const char kVgem[] = "vgem";

template <const char *driver>
class Open : public Operation
{
public:
	int act() override { return keep(open(node_of_driver(driver).c_str(), O_RDWR | O_CLOEXEC), file_); }
	Status check() override
	{
		char name[16];
		drm_version version{};
		version.name = name;
		version.name_len = sizeof(name);
		return status_of(call(file_.get(), DRM_IOCTL_VERSION, &version), "VERSION");
	}

protected:
	UniqueFd file_;
};

/** An open file with a buffer in it, whose close has to free both. */
template <const char *driver>
class Close : public Open<driver>
{
public:
	Status set_up() override
	{
		if (Status status = status_of(open_driver(driver, this->file_), driver); !status)
			return status;
		UniqueFd dmabuf;
		if (Status status = make_dmabuf(dmabuf); !status)
			return status;
		return status_of(import_handle(this->file_.get(), dmabuf.get(), handle_), "import of a dma-buf");
	}
	int act() override { return close(this->file_.release()) < 0 ? errno : 0; }
	Status check() override { return {}; }

protected:
	uint32_t handle_ = 0;
};

template <const char *driver>
class GemClose : public Close<driver>
{
public:
	int act() override
	{
		drm_gem_close args{};
		args.handle = this->handle_;
		return call(this->file_.get(), DRM_IOCTL_GEM_CLOSE, &args);
	}
};

template <const char *driver>
class Export : public OnDriverBo
{
public:
	Export() : OnDriverBo(driver) {}
	int act() override
	{
		drm_prime_handle args{};
		args.handle = buffer_->handle();
		args.flags = DRM_CLOEXEC | DRM_RDWR;
		int error = call(fd(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);
		return error ? error : keep(args.fd, dmabuf_);
	}
	Status check() override { return try_pages(dmabuf_.get()); }
	UniqueFd share() override { return std::move(dmabuf_); }

private:
	UniqueFd dmabuf_;
};

/** Of a buffer that another driver made: the system heap. */
template <const char *driver>
class Import : public Operation
{
public:
	Status set_up() override
	{
		if (Status status = status_of(open_driver(driver, file_), driver); !status)
			return status;
		return make_dmabuf(dmabuf_);
	}
	int act() override { return import_handle(file_.get(), dmabuf_.get(), handle_); }
	/** The same buffer gets the same handle, and goes out as the same dma-buf. */
	Status check() override
	{
		uint32_t again = 0;
		if (int error = import_handle(file_.get(), dmabuf_.get(), again))
			return status_of(error, "second import");
		if (again != handle_ || handle_ == 0)
			return Error{EIO, "the second import gives another handle"};
		UniqueFd out = export_handle(file_.get(), handle_);
		return out.valid() ? try_pages(out.get()) : Status(Error{EIO, "cannot be exported again"});
	}
	UniqueFd share() override { return std::move(dmabuf_); }

private:
	UniqueFd file_;
	UniqueFd dmabuf_;
	uint32_t handle_ = 0;
};

template <const char *driver>
std::string without()
{
	return driver_missing(driver);
}

/** The dma-buf works for everybody, and the driver takes it in another open file. */
template <const char *driver>
Status import_there(int fd)
{
	UniqueFd file;
	if (int error = open_driver(driver, file))
		return status_of(error, driver);
	uint32_t handle = 0;
	if (int error = import_handle(file.get(), fd, handle))
		return status_of(error, "import");
	return try_pages(fd);
}

template <const char *driver>
Status open_there(int)
{
	UniqueFd file;
	return status_of(open_driver(driver, file), driver);
}

constexpr OperationType kOperations[] = {
	{"panfrost/open", make<Open<kPanfrost>>, without<kPanfrost>, open_there<kPanfrost>},
	{"panfrost/close", make<Close<kPanfrost>>, without<kPanfrost>, open_there<kPanfrost>},
	{"panfrost/gem-close", make<GemClose<kPanfrost>>, without<kPanfrost>, open_there<kPanfrost>},
	{"panfrost/prime-export", make<Export<kPanfrost>>, without<kPanfrost>, import_there<kPanfrost>},
	{"panfrost/prime-import", make<Import<kPanfrost>>, without<kPanfrost>, import_there<kPanfrost>},
	{"panthor/open", make<Open<kPanthorName>>, without<kPanthorName>, open_there<kPanthorName>},
	{"panthor/close", make<Close<kPanthorName>>, without<kPanthorName>, open_there<kPanthorName>},
	{"panthor/gem-close", make<GemClose<kPanthorName>>, without<kPanthorName>, open_there<kPanthorName>},
	{"panthor/prime-export", make<Export<kPanthorName>>, without<kPanthorName>, import_there<kPanthorName>},
	{"panthor/prime-import", make<Import<kPanthorName>>, without<kPanthorName>, import_there<kPanthorName>},
	{"lima/open", make<Open<kLima>>, without<kLima>, open_there<kLima>},
	{"lima/close", make<Close<kLima>>, without<kLima>, open_there<kLima>},
	{"lima/gem-close", make<GemClose<kLima>>, without<kLima>, open_there<kLima>},
	{"lima/prime-export", make<Export<kLima>>, without<kLima>, import_there<kLima>},
	{"lima/prime-import", make<Import<kLima>>, without<kLima>, import_there<kLima>},
	{"msm/close", make<Close<kMsm>>, without<kMsm>, open_there<kMsm>},
	{"msm/gem-close", make<GemClose<kMsm>>, without<kMsm>, open_there<kMsm>},
	{"msm/prime-export", make<Export<kMsm>>, without<kMsm>, import_there<kMsm>},
	{"msm/prime-import", make<Import<kMsm>>, without<kMsm>, import_there<kMsm>},
	{"vgem/open", make<Open<kVgem>>, without<kVgem>, open_there<kVgem>},
	{"vgem/close", make<Close<kVgem>>, without<kVgem>, open_there<kVgem>},
	{"vgem/gem-close", make<GemClose<kVgem>>, without<kVgem>, open_there<kVgem>},
	{"vgem/prime-export", make<Export<kVgem>>, without<kVgem>, import_there<kVgem>},
	{"vgem/prime-import", make<Import<kVgem>>, without<kVgem>, import_there<kVgem>},
};

/** /dev/dri/renderDN of the open file. */
std::string node_of(int fd)
{
	std::array<char, 64> path{};
	ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size() - 1);
	return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : "";
}

} // namespace

std::span<const OperationType> drm_operations()
{
	return kOperations;
}

const std::string &node_of_driver(const char *driver)
{
	static std::map<std::string, std::string> nodes;
	std::string &node = nodes[driver];
	if (node.empty())
		for (DrmNode kind : {DrmNode::primary, DrmNode::render})
			if (auto device = Device::open(driver, kind); device && node.empty())
				node = node_of(device->fd());
	return node;
}

int open_driver(const char *driver, UniqueFd &file)
{
	return keep(open(node_of_driver(driver).c_str(), O_RDWR | O_CLOEXEC), file);
}

std::string driver_missing(const char *driver)
{
	return node_of_driver(driver).empty() ? std::string("no DRM node of ") + driver : "";
}

UniqueFd export_handle(int file, uint32_t handle)
{
	drm_prime_handle args{};
	args.handle = handle;
	args.flags = DRM_CLOEXEC | DRM_RDWR;
	return UniqueFd(call(file, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args) == 0 ? args.fd : -1);
}

int import_handle(int file, int dmabuf, uint32_t &handle)
{
	drm_prime_handle args{};
	args.fd = dmabuf;
	int error = call(file, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
	handle = args.handle;
	return error;
}

} // namespace drmsqueeze
