/* SPDX-License-Identifier: MIT */
#include "stressors/idle_cache.h"

#include <cerrno>

namespace drmsqueeze
{

Status IdleCache::make()
{
	auto bo = context_.create_buffer(kBoBytes);
	if (!bo)
		return bo.error();
	if (auto advised = (*bo)->advise(false); !advised && advised.error().code != EOPNOTSUPP)
		return advised.error();
	idle_.push_back(std::move(*bo));
	return {};
}

Status IdleCache::fill()
{
	std::scoped_lock guard(lock_);
	Status status;
	while (status && idle_.size() < most_)
		status = make();
	return status;
}

void IdleCache::add()
{
	std::scoped_lock guard(lock_);
	if (idle_.size() < most_)
		static_cast<void>(make());
}

uint64_t IdleCache::evict()
{
	std::scoped_lock guard(lock_);
	uint64_t bytes = 0;
	for (const auto &bo : idle_) {
		auto kept = bo->advise(true);
		if (kept ? *kept : kept.error().code == EOPNOTSUPP)
			bytes += bo->bytes();
	}
	idle_.clear();
	return bytes;
}

} // namespace drmsqueeze
