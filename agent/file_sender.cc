/* SPDX-License-Identifier: MIT */
#include "agent/file_sender.h"

namespace drmsqueeze
{

FileSender::FileSender(const Recorder &recorder, Control &control, std::string_view name)
	: recorder_(recorder), number_(control.next_file.fetch_add(1) + 1)
{
	recorder_.put({.kind = Kind::file, .job = number_, .a = -1, .text = name});
}

void FileSender::append(std::string_view content)
{
	constexpr size_t kChunk = sizeof(Record::text);
	for (size_t offset = 0; offset < content.size(); offset += kChunk) {
		std::string_view chunk = content.substr(offset, kChunk);
		recorder_.put({.kind = Kind::file,
			       .job = number_,
			       .a = static_cast<int64_t>(bytes_),
			       .b = static_cast<int64_t>(chunk.size()),
			       .text = chunk});
		bytes_ += chunk.size();
	}
}

void send_file(const Recorder &recorder, Control &control, std::string_view name, std::string_view content)
{
	FileSender(recorder, control, name).append(content);
}

} // namespace drmsqueeze
