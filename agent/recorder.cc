/* SPDX-License-Identifier: MIT */
#include "agent/recorder.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

bool fits(uint64_t offset, uint64_t count, uint64_t size, uint64_t bytes)
{
	return offset <= bytes && count <= (bytes - offset) / size;
}

} // namespace

Result<Recorder> Recorder::attach(void *base, uint64_t bytes)
{
	if (bytes < sizeof(RingHeader))
		return Error{EPROTO, "ring: smaller than its header"};
	auto *header = static_cast<RingHeader *>(base);
	if (memcmp(header->magic, kRingMagic, sizeof(kRingMagic)) != 0)
		return Error{EPROTO, "ring: no magic 'DRMSQZR1'"};
	if (header->version != kRingVersion)
		return Error{EPROTO, "ring: version " + std::to_string(header->version) + ", expected 1"};
	if (header->record_size != sizeof(Record))
		return Error{EPROTO, "ring: record size " + std::to_string(header->record_size) + ", expected 128"};
	if (header->capacity == 0 || !fits(header->records_offset, header->capacity, sizeof(Record), bytes))
		return Error{EPROTO, "ring: records lie outside of it"};
	if (!fits(header->request_offset, header->request_size, 1, bytes))
		return Error{EPROTO, "ring: request lies outside of it"};
	auto *records = reinterpret_cast<Record *>(static_cast<char *>(base) + header->records_offset);
	return Recorder(header, records);
}

void Recorder::put(const Entry &entry) const
{
	constexpr int64_t kBackPressureSleep = 200 * kNsPerUs;

	uint64_t seq = std::atomic_ref(header_->claimed).fetch_add(1, std::memory_order_relaxed) + 1;
	while (seq > std::atomic_ref(header_->consumed).load(std::memory_order_acquire) + header_->capacity)
		sleep_ns(kBackPressureSleep);

	Record &slot = records_[(seq - 1) % header_->capacity];
	slot.t_ns = entry.t_ns ? entry.t_ns : now_ns();
	slot.kind = static_cast<uint16_t>(entry.kind);
	slot.code = entry.code;
	slot.client = entry.client;
	slot.job = entry.job;
	slot.a = entry.a;
	slot.b = entry.b;
	slot.c = entry.c;
	size_t length = std::min(entry.text.size(), sizeof(slot.text));
	memcpy(slot.text, entry.text.data(), length);
	memset(slot.text + length, 0, sizeof(slot.text) - length);
	std::atomic_ref(slot.seq).store(seq, std::memory_order_release);
}

bool Recorder::has_room() const
{
	uint64_t claimed = std::atomic_ref(header_->claimed).load(std::memory_order_relaxed);
	return claimed - std::atomic_ref(header_->consumed).load(std::memory_order_acquire) <
	       header_->capacity - header_->capacity / 4;
}

std::string_view Recorder::request() const
{
	return {reinterpret_cast<const char *>(header_) + header_->request_offset, header_->request_size};
}

bool Recorder::stop_wanted() const
{
	return std::atomic_ref(header_->stop).load(std::memory_order_relaxed) != 0;
}

} // namespace drmsqueeze
