/* SPDX-License-Identifier: MIT */
/* What panthor's streams say, executed by a small interpreter; addresses of its VM; its table of outcomes. */
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <gtest/gtest.h>
#include <map>

#include "stressors/drivers/panthor_stream.h"
#include "stressors/drivers/panthor_vm.h"

namespace drmsqueeze
{
namespace
{

constexpr uint64_t kStatus = 0x123456789000;

/** Executes moves and stores; what else comes is only listed. */
class Interpreter
{
public:
	explicit Interpreter(const std::vector<uint64_t> &words)
	{
		for (uint64_t word : words)
			step(word);
	}

	uint64_t read64(uint64_t address) const { return memory.at(address) | uint64_t{memory.at(address + 4)} << 32; }
	size_t count(uint8_t opcode) const
	{
		return static_cast<size_t>(std::count(opcodes.begin(), opcodes.end(), opcode));
	}
	uint64_t pair(unsigned reg) const { return registers[reg] | uint64_t{registers[reg + 1]} << 32; }

	std::vector<uint8_t> opcodes;
	std::vector<std::pair<unsigned, uint64_t>> privates; /* operation, register B */
	std::map<uint64_t, uint32_t> memory;
	uint32_t registers[MALI_CSF_KERNEL_REG + 2] = {};

private:
	void step(uint64_t word)
	{
		auto opcode = static_cast<uint8_t>(word >> 56);
		unsigned a = word >> 48 & 0xff;
		unsigned b = word >> 40 & 0xff;
		opcodes.push_back(opcode);
		ASSERT_LT(a, unsigned{MALI_CSF_KERNEL_REG}) << "a register of the kernel's";
		switch (opcode) {
		case MALI_CSF_MOVE48:
			registers[a] = static_cast<uint32_t>(word);
			registers[a + 1] = word >> 32 & 0xffff;
			break;
		case MALI_CSF_MOVE32:
			registers[a] = static_cast<uint32_t>(word);
			break;
		case MALI_CSF_STORE_MULTIPLE:
			for (unsigned i = 0, n = 0; i < 16; i++)
				if (word >> (16 + i) & 1)
					memory[pair(b) + (word & 0xffff) + 4 * n++] = registers[a + i];
			break;
		case MALI_CSF_PRIVATE:
			privates.emplace_back(word & 0xff, registers[b]);
			break;
		default:
			break;
		}
	}
};

TEST(PanthorStream, WritesValuesAndSaysHowFarItIs)
{
	const GpuWrite writes[] = {{0x7fff12345000, 0xfedcba9876543210}, {0x200008, 1}, {0x200010, ~0ULL}};
	auto words = PanthorStream::of_writes(writes, kStatus);
	EXPECT_LE(words.size(), PanthorStream::words_for(3));
	Interpreter run(words);
	for (const GpuWrite &write : writes)
		EXPECT_EQ(run.read64(write.address), write.value);
	EXPECT_EQ(run.memory[kStatus + offsetof(PanthorStatus, begun)], 1U);
	EXPECT_EQ(run.memory[kStatus + offsetof(PanthorStatus, writes_done)], 3U);
	EXPECT_EQ(run.count(MALI_CSF_PRIVATE), 0U) << "boards know none";
	EXPECT_EQ(run.count(MALI_CSF_FLUSH_CACHE2), 1U);
}

TEST(PanthorStream, ProgressIsSaidInOrder)
{
	const GpuWrite writes[] = {{0x200000, 7}, {0x300000, 8}};
	auto words = PanthorStream::of_writes(writes, kStatus);
	for (size_t cut = 0; cut < words.size(); cut++) {
		Interpreter run(std::vector(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(cut)));
		uint32_t done = run.memory[kStatus + offsetof(PanthorStatus, writes_done)];
		for (uint32_t i = 0; i < done; i++)
			EXPECT_EQ(run.read64(writes[i].address), writes[i].value) << "said before it was done";
	}
}

PanthorHeapPlan plan(uint64_t handler)
{
	return {.context = 0x800000000000,
		.tiler = 0x400200,
		.status = kStatus,
		.copies = 0x401000,
		.handler = handler,
		.handler_bytes = handler ? 64U : 0U,
		.seed = 0x1122334455667788};
}

TEST(PanthorStream, AHeapJobTakesAllThatItSaidItWould)
{
	const uint64_t offsets[] = {0, 2 << 20, 4 << 20};
	constexpr uint64_t kBytes = 7 << 20;
	auto words = PanthorStream::of_heap(plan(0x400400), offsets, kBytes);
	EXPECT_LE(words.size(), PanthorStream::words_for(3));
	Interpreter run(words);
	uint64_t taken = 0;
	std::vector<uint64_t> copied;
	for (auto [operation, value] : run.privates) {
		if (operation == MALI_CSF_PRIVATE_CONSUME)
			taken += value;
		if (operation == MALI_CSF_PRIVATE_COPY)
			copied.push_back(value);
	}
	EXPECT_EQ(taken, kBytes);
	EXPECT_EQ(copied, std::vector<uint64_t>(std::begin(offsets), std::end(offsets)));
	EXPECT_EQ(run.count(MALI_CSF_FINISH_FRAGMENT), 1U);
	EXPECT_EQ(run.count(MALI_CSF_HEAP_OPERATION), 2U) << "FINISH_FRAGMENT counts the third number";
	EXPECT_EQ(run.pair(MALI_CSF_SR_TILER), 0x400200U);
}

TEST(PanthorStream, TheHandlerCountsItsPassesAndEndsNoJob)
{
	auto words = PanthorStream::of_handler();
	EXPECT_LE(words.size() * sizeof(uint64_t), 3072U) << "its place in a slot";
	Interpreter run(words);
	EXPECT_EQ(run.count(MALI_CSF_ADD_IMM32), 1U);
	for (uint64_t word : words) {
		bool counts = word >> 56 == MALI_CSF_FINISH_FRAGMENT && (word & 1);
		EXPECT_FALSE(counts) << "an incremental pass is not the pass's end";
	}
}

TEST(AddressRanges, GivesWhatIsFreeAndJoinsWhatComesBack)
{
	constexpr uint64_t kMib = 1 << 20;
	AddressRanges ranges(2 * kMib, 16 * kMib);
	uint64_t small = ranges.take(4096);
	uint64_t large = ranges.take(2 * kMib);
	EXPECT_EQ(small, 2 * kMib);
	EXPECT_EQ(large % (2 * kMib), 0U) << "for block mappings";
	EXPECT_EQ(ranges.take(64 * kMib), 0U);
	uint64_t other = ranges.take(4096);
	EXPECT_EQ(other, small + 4096);
	ranges.give_back(small, 4096);
	EXPECT_EQ(ranges.take(4096), small);
	ranges.give_back(other, 4096);
	ranges.give_back(large, 2 * kMib);
	ranges.give_back(small, 4096);
	EXPECT_EQ(ranges.stretches(), 1U);
	EXPECT_EQ(ranges.take(14 * kMib), 2 * kMib);
	EXPECT_EQ(ranges.take(4096), 0U);
}

TEST(PanthorOutcome, ErrorsSayWhomTheyHit)
{
	const Driver &panthor = *find_driver("panthor");
	EXPECT_EQ(outcome_of(panthor, ETIMEDOUT, TimeoutRole::culprit).fate, Fate::timed_out);
	EXPECT_EQ(outcome_of(panthor, ETIMEDOUT, TimeoutRole::victim).fate, Fate::failed);
	EXPECT_EQ(outcome_of(panthor, ETIMEDOUT, TimeoutRole::victim).flags, kVictim);
	EXPECT_EQ(outcome_of(panthor, ETIMEDOUT, TimeoutRole::none).fate, Fate::failed) << "no message, no timeout";
	EXPECT_EQ(outcome_of(panthor, EINVAL, TimeoutRole::none).flags, 0);
	EXPECT_EQ(outcome_of(panthor, EINVAL, TimeoutRole::victim).flags, kVictim);
	EXPECT_EQ(outcome_of(panthor, ECANCELED, TimeoutRole::none).fate, Fate::failed);
	EXPECT_TRUE(may_be_timeout(panthor, ETIMEDOUT));
	EXPECT_FALSE(may_be_timeout(panthor, EINVAL)) << "a fault claims no timeout's message";
	EXPECT_TRUE(may_be_timeout(*find_driver("panfrost"), EINVAL));
}

TEST(PanthorOutcome, LinesOfTheLog)
{
	const Driver &panthor = *find_driver("panthor");
	EXPECT_EQ(sign_of(panthor, "panthor mali-csf: [drm] job timeout"), LogSign::job_timeout);
	EXPECT_EQ(sign_of(panthor, "panthor mali-csf: [drm] CSG slot 1 progress timeout"), LogSign::job_timeout);
	EXPECT_EQ(sign_of(panthor, "panthor mali-csf: [drm] *ERROR* CSG 0 update request timedout"), LogSign::none);
}

} // namespace
} // namespace drmsqueeze
