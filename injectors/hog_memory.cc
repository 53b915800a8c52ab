/* SPDX-License-Identifier: MIT */
#include "injectors/hog.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace drmsqueeze
{

uint64_t hog_bytes(double level, uint64_t idle_kib)
{
	double bytes = (1.0 - level) * static_cast<double>(idle_kib) * 1024;
	return bytes <= 0 ? 0 : static_cast<uint64_t>(bytes) / kHogPage * kHogPage;
}

bool hog_fits(uint64_t bytes, uint64_t available_kib, uint64_t swap_free_kib, uint64_t min_free_kib, bool locked)
{
	return bytes / 1024 + min_free_kib <= available_kib + (locked ? 0 : swap_free_kib);
}

void fill_hog_page(void *page, double compressibility, uint64_t &state)
{
	constexpr size_t kWords = kHogPage / sizeof(uint64_t);
	auto zeros = static_cast<size_t>(compressibility * kWords);
	auto *words = static_cast<uint64_t *>(page);
	memset(words, 0, zeros * sizeof(uint64_t));
	for (size_t i = zeros; i < kWords; i++) {
		state ^= state << 13; /* xorshift64 */
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = state;
	}
	/* A page of zeros only would be dropped by zram as "same-filled" and never count as held. */
	words[0] |= 1;
}

namespace
{

uint64_t moved(uint64_t held, double by_kib)
{
	double bytes = static_cast<double>(held) + by_kib * 1024;
	return bytes <= 0 ? 0 : static_cast<uint64_t>(bytes) / kHogPage * kHogPage;
}

} // namespace

uint64_t steer_by_available(uint64_t held, uint64_t available_kib, uint64_t target_kib)
{
	return moved(held, (static_cast<double>(available_kib) - static_cast<double>(target_kib)) / 2);
}

uint64_t steer_by_psi(uint64_t held, double measured, double target, uint64_t idle_kib)
{
	constexpr double kMore = 0.02;
	constexpr double kLess = 0.04;
	double error = std::clamp((target - measured) / target, -1.0, 1.0);
	return moved(held, error * (error > 0 ? kMore : kLess) * static_cast<double>(idle_kib));
}

Result<HogMemory> HogMemory::reserve(uint64_t most, bool locked)
{
	void *memory = mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return Error{errno, std::string("hog: ") + strerror(errno)};
	/* Order 0 pages, whatever the machine's THP setting. */
	madvise(memory, most, MADV_NOHUGEPAGE);
	return HogMemory(static_cast<char *>(memory), most, locked);
}

int HogMemory::grow(uint64_t bytes, double compressibility, uint64_t &state)
{
	bytes = std::min(bytes, most_ - held_) / kHogPage * kHogPage;
	char *begin = memory_ + held_;
	for (uint64_t done = 0; done < bytes; done += kHogPage)
		fill_hog_page(begin + done, compressibility, state);
	held_ += bytes;
	return locked_ && mlock(begin, bytes) != 0 ? errno : 0;
}

int HogMemory::shrink(uint64_t bytes)
{
	bytes = std::min(bytes, held_) / kHogPage * kHogPage;
	held_ -= bytes;
	/* madvise() refuses what is locked. */
	if (locked_ && munlock(memory_ + held_, bytes) != 0)
		return errno;
	return madvise(memory_ + held_, bytes, MADV_DONTNEED) != 0 ? errno : 0;
}

void HogMemory::touch(uint64_t page)
{
	auto *word = reinterpret_cast<volatile uint64_t *>(memory_ + page * kHogPage);
	*word = *word + 1;
}

} // namespace drmsqueeze
