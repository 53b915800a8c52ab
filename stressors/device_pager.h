/* SPDX-License-Identifier: MIT */
/* The pager of device-fault: a process whose memory the GPU shares, and which provides the pages that it misses. */
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "stressors/dmirror.h"
#include "stressors/drm/mapping.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

/** What providing a page asks of the kernel. */
enum class PagerForm {
	reclaim,      /* new memory, which may have to be reclaimed from others */
	invalidation, /* memory that others may be using: it is moved to the device, and their mappings of it go */
};

/** How far the clients are, in shared memory. Rounds are numbered from 1, and have one device fault each. */
struct FaultState {
	std::atomic<uint32_t> faulting;     /* the round whose compute job waits for its page */
	std::atomic<uint32_t> behind;       /* the round whose other jobs were submitted */
	std::atomic<uint32_t> behind_ended; /* and have ended */
	std::atomic<uint32_t> wanted;       /* the round whose page is to be provided */
	std::atomic<uint32_t> served;       /* and was */
	std::atomic<uint32_t> wrong;        /* a round whose memory did not hold what was written */
	std::atomic<uint32_t> finished;     /* there will be no more */
	std::atomic<uint32_t> pages;        /* provided */
	std::atomic<uint32_t> retries;      /* because of ENOMEM, EBUSY or a page that could not be moved */
};

class DevicePager
{
public:
	/** The GPU's address of the page that a round's job misses, another one each time. */
	static uint64_t missing_page(uint32_t round);

	/** The model's file for device faults; shows the missing page's address, and takes it when it is there. */
	static std::string fault_file(const std::string &model);

	/** @bytes are provided for each fault. Borrows everything. */
	DevicePager(const ClientSeat &seat, FaultState &state, PagerForm form, uint64_t bytes)
		: seat_(seat), state_(state), form_(form), bytes_(bytes)
	{
	}

	Status set_up();

	/** Serves faults until there are no more, or nobody waits any more. */
	void run();

private:
	Status watch_memory();
	void serve(uint32_t round);
	void offer_page(uint32_t round);
	/** False when nobody waits any more. */
	template <typename Call>
	bool persist(Call call);
	bool provide(char *at, uint64_t pages, uint32_t round);
	bool holds(const char *at, uint64_t pages, uint32_t round);
	bool given_up() const { return seat_.control.phase.load() == Phase::over; }

	const ClientSeat &seat_;
	FaultState &state_;
	PagerForm form_;
	uint64_t bytes_;
	std::optional<Dmirror> device_; /* none before set_up() */
	UniqueFd fault_file_;
	UniqueFd watch_file_;
	Mapping memory_;
	Mapping buffer_;
};

} // namespace drmsqueeze
