/* SPDX-License-Identifier: MIT */
#include "stressors/needed_bos.h"

#include <cerrno>
#include <fmt/format.h>

#include "stressors/drm/bus_guard.h"
#include "stressors/heap_pattern.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPage = 4096;

} // namespace

StepVerdict NeededBos::make(Context &context, uint32_t count, uint64_t bytes, uint64_t seed)
{
	seed_ = seed;
	const HeapPattern pattern{bytes, kPage};
	while (buffers_.size() < count) {
		auto buffer = context.create_buffer(bytes);
		if (!buffer)
			return failed(buffer.error(), kSubmitFailed);
		auto view = (*buffer)->map();
		if (!view)
			return failed(view.error(), kSubmitFailed);
		if (!survives_sigbus([&] { pattern.write(*view, kLane, seed_, buffers_.size()); }))
			return {Fate::failed, EFAULT, kSubmitFailed, "needed BO: SIGBUS"};
		pointers_.push_back(buffer->get());
		buffers_.push_back(std::move(*buffer));
	}
	return {};
}

StepVerdict NeededBos::look(std::atomic<uint64_t> &verified)
{
	if (buffers_.empty())
		return {};
	const size_t index = next_++ % buffers_.size();
	const HeapPattern pattern{buffers_[index]->bytes(), kPage};
	auto view = buffers_[index]->map();
	if (!view)
		return failed(view.error());
	unsigned wrong = 0;
	if (!survives_sigbus([&] { wrong = pattern.first_wrong(*view, kLane, seed_, index); }))
		return {Fate::failed, EFAULT, 0, "needed BO: SIGBUS"};
	verified++;
	if (wrong < pattern.count())
		return {Fate::corrupted, 0, 0,
			fmt::format("needed BO {}: value {} of {} is wrong", index, wrong + 1, pattern.count())};
	return {};
}

} // namespace drmsqueeze
