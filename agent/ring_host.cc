/* SPDX-License-Identifier: MIT */
#include "agent/ring_host.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/recorder.h"
#include "agent/ring_source.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

/* As harness/drmsqueeze/ring.py lays it out. */
constexpr uint64_t kRequestOffset = 4096;
constexpr uint64_t kRecordsOffset = 1 << 20;
constexpr int64_t kHole = 2 * kNsPerS;

Error error_at(const std::string &file)
{
	return {errno, file + ": " + strerror(errno)};
}

} // namespace

Status RingHost::lay_out(const std::string &file, std::string_view request, uint64_t bytes)
{
	if (request.size() > kRecordsOffset - kRequestOffset || bytes < kRecordsOffset + sizeof(Record))
		return Error{E2BIG, file + ": the request or the records do not fit"};
	UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
		return error_at(file);
	RingHeader header{};
	memcpy(header.magic, kRingMagic, sizeof(kRingMagic));
	header.version = kRingVersion;
	header.record_size = sizeof(Record);
	header.records_offset = kRecordsOffset;
	header.capacity = (bytes - kRecordsOffset) / sizeof(Record);
	header.request_offset = kRequestOffset;
	header.request_size = request.size();
	if (pwrite(fd.get(), request.data(), request.size(), kRequestOffset) != static_cast<ssize_t>(request.size()) ||
	    pwrite(fd.get(), &header, sizeof(header), 0) != sizeof(header))
		return error_at(file);
	return {};
}

Result<RingHost> RingHost::open(const std::string &file)
{
	auto memory = map_ring(file);
	if (!memory)
		return memory.error();
	return attach(memory->base, memory->bytes);
}

Result<RingHost> RingHost::attach(void *base, uint64_t bytes)
{
	if (auto sound = Recorder::attach(base, bytes); !sound)
		return sound.error();
	auto *header = static_cast<RingHeader *>(base);
	RingHost host(header, reinterpret_cast<Record *>(static_cast<char *>(base) + header->records_offset));
	host.next_ = host.consumed() + 1;
	return host;
}

uint64_t RingHost::published(uint64_t seq) const
{
	return std::atomic_ref(records_[(seq - 1) % header_->capacity].seq).load(std::memory_order_acquire);
}

bool RingHost::take(Record &record)
{
	uint64_t last = claimed();
	if (last > header_->capacity) /* what was overwritten is gone */
		next_ = std::max(next_, last - header_->capacity + 1);
	while (next_ <= last) {
		if (published(next_) == next_) {
			record = records_[(next_ - 1) % header_->capacity];
			/* A writer may have come round meanwhile, and then the copy is of two records. */
			std::atomic_thread_fence(std::memory_order_acquire);
			bool whole = published(next_) == next_;
			next_++;
			hole_since_ns_ = 0;
			if (whole)
				return true;
		} else if (is_hole()) {
			next_++;
			hole_since_ns_ = 0;
		} else {
			return false;
		}
	}
	return false;
}

/** Has nobody published @next_ for long, though others behind it were? */
bool RingHost::is_hole()
{
	uint64_t last = std::min(claimed(), next_ + header_->capacity - 1);
	uint64_t behind = next_ + 1;
	while (behind <= last && published(behind) != behind)
		behind++;
	if (behind > last)
		return false;
	if (!hole_since_ns_)
		hole_since_ns_ = now_ns();
	return now_ns() - hole_since_ns_ > kHole;
}

uint64_t RingHost::claimed() const
{
	return std::atomic_ref(header_->claimed).load(std::memory_order_acquire);
}

uint64_t RingHost::consumed() const
{
	return std::atomic_ref(header_->consumed).load(std::memory_order_acquire);
}

void RingHost::consume(uint64_t seq)
{
	std::atomic_ref there(header_->consumed);
	uint64_t now = there.load();
	seq = std::min(seq, claimed());
	while (now < seq && !there.compare_exchange_weak(now, seq))
		;
}

void RingHost::ask_to_stop()
{
	std::atomic_ref(header_->stop).store(1);
}

} // namespace drmsqueeze
