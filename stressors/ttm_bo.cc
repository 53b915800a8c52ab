/* SPDX-License-Identifier: MIT */
#include "stressors/ttm_bo.h"

#include <fmt/format.h>

#include "stressors/drm/bus_guard.h"

namespace drmsqueeze
{

Result<TtmBo> TtmBo::create(std::unique_ptr<Buffer> buffer)
{
	auto view = buffer->map();
	if (!view)
		return view.error();
	return TtmBo(std::move(buffer), std::move(*view));
}

TtmVerdict TtmBo::write(uint64_t seed, uint64_t writer)
{
	HeapPattern wanted = pattern();
	writer_.reset();
	if (!survives_sigbus([&] { wanted.write(view_, 0, seed, writer); }))
		return {Fate::failed, EFAULT, "SIGBUS on writing"};
	writer_ = writer;
	return {};
}

TtmVerdict TtmBo::verify(uint64_t seed) const
{
	if (!writer_)
		return {};
	HeapPattern wanted = pattern();
	volatile unsigned wrong = 0; /* written between sigsetjmp and siglongjmp */
	if (!survives_sigbus([&] { wrong = wanted.first_wrong(view_, 0, seed, *writer_); }))
		return {Fate::failed, EFAULT, "SIGBUS on reading"};
	if (wrong == wanted.count())
		return {};
	return {Fate::corrupted, 0,
		fmt::format("value {} of {} is wrong, at offset {:#x}", wrong, wanted.count(),
			    wanted.offset(wrong, 0))};
}

} // namespace drmsqueeze
