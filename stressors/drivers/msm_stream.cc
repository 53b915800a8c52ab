/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/msm_stream.h"

namespace drmsqueeze
{

std::vector<uint32_t> MsmStream::of_writes(std::span<const GpuWrite> writes, uint64_t progress)
{
	std::vector<uint32_t> words;
	words.reserve(words_for(static_cast<unsigned>(writes.size())));
	uint32_t done = 0;
	for (const GpuWrite &write : writes) {
		const uint32_t packets[kWordsOfWrite] = {
			packet3(kMemWrite, 3),
			static_cast<uint32_t>(write.address),
			static_cast<uint32_t>(write.value),
			static_cast<uint32_t>(write.value >> 32),
			packet3(kMemWrite, 2),
			static_cast<uint32_t>(progress),
			++done,
		};
		words.insert(words.end(), std::begin(packets), std::end(packets));
	}
	return words;
}

} // namespace drmsqueeze
