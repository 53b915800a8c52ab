/* SPDX-License-Identifier: MIT */
/* The memory that a hog holds, and its arithmetic; apart so that both can be tested. */
#pragma once

#include <cstdint>

#include "agent/result.h"

namespace drmsqueeze
{

inline constexpr uint64_t kHogPage = 4096;

/** Bytes that leave @level (0..1) of @idle_kib: whole pages, rounded down. */
uint64_t hog_bytes(double level, uint64_t idle_kib);

/**
 * Whether @bytes can be held on top of what is in use: they and what the kernel keeps for itself must fit into the
 * memory that is available and, unless @locked, into the free swap.
 */
bool hog_fits(uint64_t bytes, uint64_t available_kib, uint64_t swap_free_kib, uint64_t min_free_kib, bool locked);

/**
 * Fills one page: the first share @compressibility of it with zeros, the rest with noise no compressor can shrink.
 * @state seeds the noise and moves on.
 */
void fill_hog_page(void *page, double compressibility, uint64_t &state);

/** What to hold next so that @available_kib becomes @target_kib: half the way, so that it does not swing. */
uint64_t steer_by_available(uint64_t held, uint64_t available_kib, uint64_t target_kib);

/**
 * What to hold next so that the share of time in which some task waits for memory (PSI some) goes from @measured to
 * @target percent: at most 2 % of @idle_kib more, or 4 % less, for pressure is quicker to rise than to fall.
 */
uint64_t steer_by_psi(uint64_t held, double measured, double target, uint64_t idle_kib);

/** Anonymous memory that grows and shrinks at its end. Given back with the process. */
class HogMemory
{
public:
	/** Addresses for @most bytes, none of them backed. */
	static Result<HogMemory> reserve(uint64_t most, bool locked);

	uint64_t held() const { return held_; }

	/**
	 * Fills @bytes more, whole pages, as fill_hog_page(), and locks them where that was asked for: 0 or an errno.
	 */
	int grow(uint64_t bytes, double compressibility, uint64_t &state);

	/** Gives @bytes back, those that came last; needs no memory. 0 or an errno. */
	int shrink(uint64_t bytes);

	/** Writes to the page number @page of those held. */
	void touch(uint64_t page);

private:
	HogMemory(char *memory, uint64_t most, bool locked) : memory_(memory), most_(most), locked_(locked) {}

	char *memory_;
	uint64_t most_;
	uint64_t held_ = 0;
	bool locked_;
};

} // namespace drmsqueeze
