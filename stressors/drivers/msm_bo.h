/* SPDX-License-Identifier: MIT */
/*
 * BOs of msm. Their pages come when the CPU or a submit first needs them (get_pages()), and go again: a shrinker purges
 * those that are given up, and where there is swap it evicts all others that are idle (msm_gem_shrinker.c). A BO keeps
 * its GPU address for life, until it is purged.
 */
#pragma once

#include "stressors/drivers/driver.h"
#include "stressors/drm/gem.h"
#include "stressors/drm/mapping.h"

namespace drmsqueeze
{

class MsmBuffer : public Buffer
{
public:
	static Result<std::unique_ptr<MsmBuffer>> create(int fd, uint64_t bytes);
	static Result<std::unique_ptr<MsmBuffer>> import(int fd, int dmabuf, uint64_t bytes);

	uint64_t address() const override { return address_; }
	uint64_t bytes() const override { return bytes_; }
	uint32_t handle() const override { return gem_.get(); }
	Result<UniqueFd> export_dmabuf() const override { return gem_.export_dmabuf(); }
	Result<Mapping> map() override;
	Result<bool> advise(bool will_need) override;
	Status wait_idle(int64_t until_ns) override;

private:
	MsmBuffer(int fd, GemHandle gem, uint64_t bytes, uint64_t address)
		: fd_(fd), gem_(std::move(gem)), bytes_(bytes), address_(address)
	{
	}
	static Result<std::unique_ptr<MsmBuffer>> find(int fd, GemHandle gem, uint64_t bytes);

	int fd_;
	GemHandle gem_;
	uint64_t bytes_;
	uint64_t address_;
};

} // namespace drmsqueeze
