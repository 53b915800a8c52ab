/* SPDX-License-Identifier: MIT */
/*
 * BOs of lima. A heap (LIMA_BO_FLAG_HEAP) begins with lima.heap_init_nr_pages pages, 8 by default, and doubles each
 * time that the PLBU runs out of memory (lima_heap_alloc()). Nobody but the GPU sees into it: mmap, vmap and
 * attachments are refused (lima_gem.c). All other BOs have their pages when they are made (lima_gem_create_handle()).
 * Addresses are the kernel's choice, one range of 4 GiB for each open file.
 */
#pragma once

#include "stressors/drivers/driver.h"
#include "stressors/drivers/lima_client.h"
#include "stressors/drm/gem.h"
#include "stressors/drm/mapping.h"

namespace drmsqueeze
{

class LimaBuffer : public Buffer
{
public:
	enum class Kind { plain, heap };

	static Result<std::unique_ptr<LimaBuffer>> create(LimaClient &client, uint64_t bytes, Kind kind);
	static Result<std::unique_ptr<LimaBuffer>> import(LimaClient &client, int dmabuf, uint64_t bytes);
	~LimaBuffer() override;
	LimaBuffer(const LimaBuffer &) = delete;
	LimaBuffer &operator=(const LimaBuffer &) = delete;

	uint64_t address() const override { return address_; }
	uint64_t bytes() const override { return bytes_; }
	uint32_t handle() const override { return gem_.get(); }
	Result<UniqueFd> export_dmabuf() const override { return gem_.export_dmabuf(); }
	Result<Mapping> map() override;
	Status wait_idle(int64_t until_ns) override;
	/** Gives its handle back, whoever uses it; the GPU's jobs keep what they have. */
	Status close() { return gem_.close(); }

private:
	LimaBuffer(LimaClient &client, GemHandle gem, uint64_t bytes, uint64_t address, uint64_t map_offset)
		: client_(client), gem_(std::move(gem)), bytes_(bytes), address_(address), map_offset_(map_offset)
	{
	}
	static Result<std::unique_ptr<LimaBuffer>> find(LimaClient &client, GemHandle gem, uint64_t bytes);

	LimaClient &client_;
	GemHandle gem_;
	uint64_t bytes_;
	uint64_t address_;
	uint64_t map_offset_;
};

} // namespace drmsqueeze
