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
 * Fills one page: the first share @compressibility of it with zeros, the rest with noise no compressor can shrink.
 * @state seeds the noise and moves on.
 */
void fill_hog_page(void *page, double compressibility, uint64_t &state);

} // namespace drmsqueeze
