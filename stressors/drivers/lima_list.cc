/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/lima_list.h"

#include <cerrno>

namespace drmsqueeze
{

namespace
{

LimaCommand write_to(const GpuWrite &write)
{
	return {UTGARD_LIST_WRITE, static_cast<uint32_t>(write.address), write.value};
}

} // namespace

std::vector<LimaCommand> LimaList::of_writes(std::span<const GpuWrite> writes)
{
	std::vector<LimaCommand> list;
	list.reserve(writes.size());
	for (const GpuWrite &write : writes)
		list.push_back(write_to(write));
	return list;
}

std::vector<LimaCommand> LimaList::of_pp(std::span<const LimaCommand> commands, unsigned pp, unsigned pps)
{
	const size_t first = commands.size() * pp / pps;
	const size_t end = commands.size() * (pp + 1) / pps;
	const auto part = commands.subspan(first, end - first);
	std::vector<LimaCommand> list(part.begin(), part.end());
	list.push_back({UTGARD_LIST_END, 0, 0});
	return list;
}

Result<std::vector<LimaCommand>> LimaList::of_heap(uint64_t base, std::span<const GpuWrite> writes, uint64_t bytes)
{
	constexpr uint64_t kBlock = UTGARD_LIST_BLOCK;
	const Error bad{EINVAL, "heap jobs write to blocks of 4 KiB, each to one of its own, in rising order"};
	std::vector<LimaCommand> list;
	if (bytes % kBlock || bytes == 0)
		return bad;
	auto take = [&list](uint64_t size, uint64_t offset, uint64_t value) {
		list.push_back({static_cast<uint32_t>(UTGARD_LIST_TAKE | offset << UTGARD_LIST_OFFSET_SHIFT),
				static_cast<uint32_t>(size), value});
	};
	for (size_t i = 0; i < writes.size(); i++) {
		const uint64_t place = writes[i].address - base;
		const uint64_t block = place / kBlock * kBlock;
		const uint64_t next = i + 1 < writes.size() ? (writes[i + 1].address - base) / kBlock * kBlock : bytes;
		if (writes[i].address < base || place % sizeof(uint64_t) || next <= block || next > bytes)
			return bad;
		if (i == 0 && block > 0)
			take(block, 0, 0);
		take(next - block, place - block, writes[i].value);
	}
	if (writes.empty())
		take(bytes, 0, 0);
	return list;
}

std::vector<LimaCommand> LimaList::of_copies(std::span<const GpuWrite> writes, uint64_t copies)
{
	std::vector<LimaCommand> list;
	for (const GpuWrite &write : writes) {
		const uint64_t to = copies + list.size() * sizeof(uint64_t);
		list.push_back({UTGARD_LIST_COPY, static_cast<uint32_t>(to), write.address});
	}
	return list;
}

} // namespace drmsqueeze
