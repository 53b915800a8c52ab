/* SPDX-License-Identifier: MIT */
/* The arithmetic of the memory hog, apart so that it can be tested. */
#pragma once

#include <cstdint>

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

} // namespace drmsqueeze
