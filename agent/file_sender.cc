/* SPDX-License-Identifier: MIT */
#include "agent/file_sender.h"

#include <algorithm>

namespace drmsqueeze
{

void send_file(const Recorder &recorder, Control &control, std::string_view name, std::string_view content)
{
	constexpr size_t kChunk = sizeof(Record::text);
	uint64_t number = control.next_file.fetch_add(1) + 1;
	recorder.put({.kind = Kind::file, .job = number, .a = -1, .text = name});
	for (size_t offset = 0; offset < content.size(); offset += kChunk) {
		std::string_view chunk = content.substr(offset, kChunk);
		recorder.put({.kind = Kind::file,
			      .job = number,
			      .a = static_cast<int64_t>(offset),
			      .b = static_cast<int64_t>(chunk.size()),
			      .text = chunk});
	}
}

} // namespace drmsqueeze
