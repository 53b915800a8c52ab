/* SPDX-License-Identifier: MIT */
#pragma once

#include <atomic>
#include <cstring>
#include <vector>

#include "agent/recorder.h"

namespace drmsqueeze
{

/** A ring in plain memory, laid out as the harness does it. */
class LocalRing
{
public:
	explicit LocalRing(uint64_t capacity, const std::string &request = "")
		: memory_((kRecords + capacity * sizeof(Record)) / sizeof(uint64_t))
	{
		memcpy(header().magic, kRingMagic, sizeof(kRingMagic));
		header().version = kRingVersion;
		header().record_size = sizeof(Record);
		header().records_offset = kRecords;
		header().capacity = capacity;
		header().request_offset = kRequest;
		header().request_size = request.size();
		memcpy(reinterpret_cast<char *>(memory_.data()) + kRequest, request.data(), request.size());
	}

	RingHeader &header() { return *reinterpret_cast<RingHeader *>(memory_.data()); }
	const Record &slot(uint64_t index)
	{
		return reinterpret_cast<Record *>(reinterpret_cast<char *>(memory_.data()) + kRecords)[index];
	}
	uint64_t bytes() const { return memory_.size() * sizeof(uint64_t); }
	Result<Recorder> attach() { return Recorder::attach(memory_.data(), bytes()); }
	Recorder recorder() { return *attach(); }

	/** As the harness reads: what is published in order, until the first that is not. */
	std::vector<Record> read()
	{
		std::vector<Record> records;
		for (;;) {
			uint64_t next = header().consumed + 1;
			const Record &record = slot((next - 1) % header().capacity);
			auto &seq = const_cast<uint64_t &>(record.seq);
			if (std::atomic_ref(seq).load(std::memory_order_acquire) != next)
				return records;
			records.push_back(record);
			std::atomic_ref(header().consumed).store(next, std::memory_order_release);
		}
	}

private:
	static constexpr uint64_t kRequest = 4096;
	static constexpr uint64_t kRecords = 1 << 16;

	std::vector<uint64_t> memory_;
};

} // namespace drmsqueeze
