/* SPDX-License-Identifier: MIT */
#include "stressors/sync_devices.h"

#include <cerrno>
#include <xf86drm.h>

#include "stressors/drm/sw_sync.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kBufferBytes = 4096;

} // namespace

Result<Exporter> Exporter::open(const std::string &name)
{
	Exporter exporter(name);
	if (name == "udmabuf") {
		auto device = Udmabuf::open();
		if (!device)
			return device.error();
		exporter.udmabuf_ = std::move(*device);
	} else if (name == "dma-heap") {
		auto device = DmaHeap::open();
		if (!device)
			return device.error();
		exporter.heap_ = std::move(*device);
	} else {
		const Driver *driver = find_driver(name);
		if (!driver)
			return Error{ENODEV, "no driver " + name};
		auto context = driver->open();
		if (!context)
			return context.error();
		exporter.context_ = std::move(*context);
	}
	return exporter;
}

Result<Exporter::Exported> Exporter::create() const
{
	if (udmabuf_ || heap_) {
		auto dmabuf = udmabuf_ ? udmabuf_->create(kBufferBytes) : heap_->create(kBufferBytes);
		if (!dmabuf)
			return dmabuf.error();
		return Exported{nullptr, std::move(*dmabuf)};
	}
	auto bo = context_->create_buffer(kBufferBytes);
	if (!bo)
		return bo.error();
	auto dmabuf = (*bo)->export_dmabuf();
	if (!dmabuf)
		return dmabuf.error();
	return Exported{std::move(*bo), DmaBuf(std::move(*dmabuf))};
}

const Exporter *SyncDevices::find(std::string_view name) const
{
	for (const Exporter &exporter : exporters)
		if (exporter.name() == name)
			return &exporter;
	return nullptr;
}

Result<SyncDevices> SyncDevices::open(const std::vector<std::string> &exporters)
{
	SyncDevices devices;
	for (const std::string &name : exporters) {
		auto exporter = Exporter::open(name);
		if (!exporter)
			return exporter.error();
		devices.exporters.push_back(std::move(*exporter));
	}
	for (const char *name : {"panfrost", "virtio_gpu"})
		if (!devices.find(name))
			if (auto other = Exporter::open(name))
				devices.exporters.push_back(std::move(*other));
	for (const Exporter &exporter : devices.exporters) {
		int fd = exporter.context() ? exporter.context()->fd() : -1;
		uint64_t timelines = 0;
		if (fd >= 0 && devices.syncobj_fd < 0 && Syncobj::create(fd))
			devices.syncobj_fd = fd;
		if (fd >= 0 && drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &timelines) == 0 && timelines)
			devices.timeline_fd = fd;
	}
	return devices;
}

std::string sync_devices_unsupported(const Driver &driver)
{
	auto timeline = SwSyncTimeline::open();
	if (!timeline)
		return timeline.error().reason;
	auto exporter = Exporter::open(driver.name);
	if (!exporter)
		return exporter.error().reason;
	auto exported = exporter->create();
	return exported ? "" : exported.error().reason;
}

} // namespace drmsqueeze
