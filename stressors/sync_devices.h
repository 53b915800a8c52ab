/* SPDX-License-Identifier: MIT */
/* What sync-file and fence-wait have open: makers of dma-bufs, and devices with syncobjs. */
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"
#include "stressors/drivers/driver.h"
#include "stressors/drm/dma_buf.h"
#include "stressors/drm/dma_memory.h"

namespace drmsqueeze
{

/** Who makes the buffers: a DRM driver by its name, "udmabuf" or "dma-heap". */
class Exporter
{
public:
	/** ENODEV when it is not on this machine. */
	static Result<Exporter> open(const std::string &name);

	struct Exported {
		std::unique_ptr<Buffer> bo; /* drivers only */
		DmaBuf dmabuf;
	};
	Result<Exported> create() const;

	const std::string &name() const { return name_; }
	/** Null where it is no driver. */
	Context *context() const { return context_.get(); }

private:
	explicit Exporter(std::string name) : name_(std::move(name)) {}

	std::string name_;
	std::unique_ptr<Context> context_;
	std::optional<Udmabuf> udmabuf_;
	std::optional<DmaHeap> heap_;
};

/** What a client has open, for all its cases. Exporters outlive everything that they made. */
struct SyncDevices {
	std::deque<Exporter> exporters; /* those of the scenario first, then what else takes part */

	/* A device with syncobjs, and one with timelines of them (panfrost has none); -1 where there is none. */
	int syncobj_fd = -1;
	int timeline_fd = -1;

	/** Opens @exporters, and of the others what is there. */
	static Result<SyncDevices> open(const std::vector<std::string> &exporters);
	const Exporter *find(std::string_view name) const;
};

/** Empty, or why there are no fences (sw_sync) or no dma-bufs of @driver to try on this machine. */
std::string sync_devices_unsupported(const Driver &driver);

} // namespace drmsqueeze
