/* SPDX-License-Identifier: MIT */
/* The reader of requests for libFuzzer: whatever the ring holds, it is read or refused, and nothing else. */
#include <string_view>

#include "agent/scenario.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try {
		drmsqueeze::Request request = drmsqueeze::parse_request({reinterpret_cast<const char *>(data), size});
		for (auto &item : request.stressors)
			item.reader.finish();
	} catch (const drmsqueeze::ScenarioError &) {
	}
	return 0;
}
