/* SPDX-License-Identifier: MIT */
#include "stressors/device_pager.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPagesAtOnce = 16; /* few, so that a fault of ours is rarely in vain (EBUSY) */
constexpr const char *kWatchFile = "/sys/kernel/debug/drmsqueeze/traps/notifier-waits-for-job-behind-fault/watch";

uint64_t value_of(uint32_t round, const char *at)
{
	return (uint64_t{round} << 48) ^ reinterpret_cast<uintptr_t>(at);
}

} // namespace

std::string DevicePager::fault_file(const std::string &model)
{
	return fmt::format("/sys/kernel/debug/drmsqueeze/{}/device_fault", model);
}

/* lab/models/mali_jm.h: MALI_SHARED_VA. */
uint64_t DevicePager::missing_page(uint32_t round)
{
	constexpr uint64_t kSharedMemory = uint64_t{1} << 47;
	return kSharedMemory + round * kPage;
}

Status DevicePager::set_up()
{
	auto device = Dmirror::open();
	if (!device)
		return device.error();
	device_ = std::move(*device);
	std::string file = fault_file(seat_.request.model);
	fault_file_.reset(open(file.c_str(), O_WRONLY | O_CLOEXEC));
	if (!fault_file_.valid())
		return error_of(file);
	for (Mapping *mapping : {&memory_, &buffer_}) {
		auto memory = Mapping::anonymous(mapping == &memory_ ? bytes_ : kPagesAtOnce * kPage);
		if (!memory)
			return memory.error();
		*mapping = std::move(*memory);
	}
	memset(buffer_.data(), 0, buffer_.bytes());
	return form_ == PagerForm::invalidation ? watch_memory() : Status();
}

/** Somebody else uses the memory too, and has an MMU notifier on it: the trap, where it is loaded. */
Status DevicePager::watch_memory()
{
	memset(memory_.data(), 1, memory_.bytes());
	watch_file_.reset(open(kWatchFile, O_WRONLY | O_CLOEXEC));
	if (!watch_file_.valid())
		return errno == ENOENT ? Status() : error_of(kWatchFile);
	std::string range = fmt::format("{:#x} {:#x}", reinterpret_cast<uintptr_t>(memory_.data()), memory_.bytes());
	if (write(watch_file_.get(), range.data(), range.size()) < 0)
		return error_of(kWatchFile);
	return {};
}

void DevicePager::run()
{
	constexpr int64_t kPoll = kNsPerMs / 2;
	while (!state_.finished.load() && !given_up()) {
		uint32_t wanted = state_.wanted.load();
		uint32_t served = state_.served.load();
		if (wanted != served) {
			serve(wanted);
			continue;
		}
		if (served)
			offer_page(served);
		sleep_ns(kPoll);
	}
}

void DevicePager::serve(uint32_t round)
{
	if (form_ == PagerForm::reclaim)
		madvise(memory_.data(), memory_.bytes(), MADV_DONTNEED); /* new memory for each fault */
	for (bool providing : {true, false}) {
		for (uint64_t at = 0; at < bytes_; at += kPagesAtOnce * kPage) {
			uint64_t pages = std::min(kPagesAtOnce, (bytes_ - at) / kPage);
			char *chunk = memory_.data() + at;
			if (providing && !provide(chunk, pages, round))
				return;
			if (!providing && !holds(chunk, pages, round))
				state_.wrong.store(round);
		}
	}
	offer_page(round);
	state_.served.store(round);
}

/* ENOENT: nobody waits for it, for its job has ended, or was reset and is about to ask again. */
void DevicePager::offer_page(uint32_t round)
{
	std::string address = fmt::format("{:#x}", missing_page(round));
	(void)!write(fault_file_.get(), address.data(), address.size());
}

template <typename Call>
bool DevicePager::persist(Call call)
{
	constexpr int64_t kPause = 2 * kNsPerMs;
	while (!given_up()) {
		if (call() == 0)
			return true;
		state_.retries.fetch_add(1);
		sleep_ns(kPause);
	}
	return false;
}

/** The device writes to @pages pages at @at, after they were moved to it where that is the form. */
bool DevicePager::provide(char *at, uint64_t pages, uint32_t round)
{
	constexpr int kMoves = 20; /* a page that somebody holds stays where it is, and the device reaches it there */
	for (int i = 0; form_ == PagerForm::invalidation && i < kMoves; i++) {
		if (device_->migrate_to_device(at, buffer_.data(), pages) == 0)
			break;
		state_.retries.fetch_add(1);
	}
	for (uint64_t page = 0; page < pages; page++)
		buffer_.store64(page * kPage, value_of(round, at + page * kPage));
	if (!persist([&] { return device_->write(at, buffer_.data(), pages); }))
		return false;
	state_.pages.fetch_add(static_cast<uint32_t>(pages));
	return true;
}

bool DevicePager::holds(const char *at, uint64_t pages, uint32_t round)
{
	if (!persist([&] { return device_->read(at, buffer_.data(), pages); }))
		return true; /* nobody asks any more */
	for (uint64_t page = 0; page < pages; page++)
		if (buffer_.load64(page * kPage) != value_of(round, at + page * kPage))
			return false;
	return true;
}

} // namespace drmsqueeze
