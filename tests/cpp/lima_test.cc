/* SPDX-License-Identifier: MIT */
/* What lima's lists say, executed by a small interpreter of the model's commands; its table of outcomes. */
#include <cerrno>
#include <gtest/gtest.h>
#include <map>

#include "stressors/drivers/lima_list.h"

namespace drmsqueeze
{
namespace
{

constexpr uint64_t kBlock = UTGARD_LIST_BLOCK;

/** As the model does it, with a heap that begins at @heap and never ends. */
class Interpreter
{
public:
	explicit Interpreter(uint64_t heap = 0) : at(heap) {}

	void run(const std::vector<LimaCommand> &list)
	{
		for (const LimaCommand &command : list) {
			switch (command.op & UTGARD_LIST_KIND) {
			case UTGARD_LIST_WRITE:
				memory[command.address] = command.value;
				break;
			case UTGARD_LIST_COPY:
				memory[command.address] = memory.at(command.value);
				break;
			case UTGARD_LIST_TAKE:
				for (uint64_t left = command.address; left; left -= kBlock, at += kBlock)
					memory[at + (command.op >> UTGARD_LIST_OFFSET_SHIFT)] = command.value;
				break;
			default:
				return;
			}
		}
	}

	uint64_t at;
	std::map<uint64_t, uint64_t> memory;
};

TEST(LimaList, TheGpWritesInOrder)
{
	const GpuWrite writes[] = {{0x1000, 7}, {0x2008, ~0ULL}, {0x1000, 9}};
	Interpreter gp;
	gp.run(LimaList::of_writes(writes));
	EXPECT_EQ(gp.memory[0x1000], 9U);
	EXPECT_EQ(gp.memory[0x2008], ~0ULL);
}

TEST(LimaList, PpsShareWhatThereIsToWrite)
{
	std::vector<GpuWrite> writes;
	for (uint64_t i = 0; i < 6; i++)
		writes.push_back({0x1000 + 8 * i, 100 + i});
	for (unsigned pps = 1; pps <= 4; pps++) {
		Interpreter all;
		size_t commands = 0;
		for (unsigned pp = 0; pp < pps; pp++) {
			auto list = LimaList::of_pp(LimaList::of_writes(writes), pp, pps);
			EXPECT_EQ(list.back().op, UTGARD_LIST_END);
			commands += list.size();
			all.run(list);
		}
		EXPECT_EQ(all.memory.size(), writes.size());
		EXPECT_EQ(commands, writes.size() + pps);
		EXPECT_LE(commands, LimaList::commands_for(6));
		for (const GpuWrite &write : writes)
			EXPECT_EQ(all.memory[write.address], write.value);
	}
	EXPECT_EQ(LimaList::of_pp({}, 0, 4).size(), 1U) << "a PP with nothing to do ends at once";
}

/** What the GP executes of a job whose PPs have nothing to do. */
Result<std::vector<LimaCommand>> of_job(uint64_t heap, std::span<const GpuWrite> writes, uint64_t bytes,
					uint64_t copies)
{
	auto list = LimaList::of_heap(heap, writes, bytes);
	if (list)
		for (const LimaCommand &copy : LimaList::of_copies(writes, copies))
			list->push_back(copy);
	return list;
}

TEST(LimaList, AHeapJobTakesAllThatItSaidItWouldAndCopiesWhatItWrote)
{
	constexpr uint64_t kHeap = 0x400000;
	constexpr uint64_t kCopies = 0x10000;
	const GpuWrite writes[] = {{kHeap + 16, 1}, {kHeap + 3 * kBlock + 16, 2}, {kHeap + 4 * kBlock + 16, 3}};
	auto list = of_job(kHeap, writes, 7 * kBlock, kCopies);
	ASSERT_TRUE(list);
	EXPECT_LE(list->size(), LimaList::commands_for(3));
	Interpreter gp(kHeap);
	gp.run(*list);
	EXPECT_EQ(gp.at, kHeap + 7 * kBlock);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(gp.memory[writes[i].address], writes[i].value);
		EXPECT_EQ(gp.memory[kCopies + 8 * i], writes[i].value);
	}
	EXPECT_FALSE(gp.memory.contains(kHeap)) << "the place of another job";
}

TEST(LimaList, PpsLookAtWhatTheGpHasTiled)
{
	constexpr unsigned kPps = 4;
	constexpr uint64_t kHeap = 0x400000;
	constexpr uint64_t kCopies = 0x10000;
	std::vector<GpuWrite> writes;
	for (uint64_t i = 0; i < 6; i++)
		writes.push_back({kHeap + i * kBlock, 100 + i});
	Interpreter gpu(kHeap);
	auto takes = LimaList::of_heap(kHeap, writes, 6 * kBlock);
	ASSERT_TRUE(takes);
	gpu.run(*takes);
	size_t commands = takes->size();
	for (unsigned pp = 0; pp < kPps; pp++) {
		auto list = LimaList::of_pp(LimaList::of_copies(writes, kCopies), pp, kPps);
		commands += list.size();
		gpu.run(list);
	}
	EXPECT_LE(commands, LimaList::commands_for(6));
	for (uint64_t i = 0; i < 6; i++)
		EXPECT_EQ(gpu.memory[kCopies + 8 * i], 100 + i);
}

TEST(LimaList, AHeapJobMayBeginFurtherIn)
{
	const GpuWrite writes[] = {{0x400000 + 2 * kBlock, 5}};
	auto list = of_job(0x400000, writes, 4 * kBlock, 0x10000);
	ASSERT_TRUE(list);
	EXPECT_LE(list->size(), LimaList::commands_for(1));
	Interpreter gp(0x400000);
	gp.run(*list);
	EXPECT_EQ(gp.memory[0x10000], 5U);
	EXPECT_EQ(gp.at, 0x400000 + 4 * kBlock);
}

TEST(LimaList, PlacesThatFitNoBlocksAreRefused)
{
	const std::vector<std::vector<GpuWrite>> bad = {
		{{0x3ff000, 1}},                             /* before the heap */
		{{0x400004, 1}},                             /* not aligned */
		{{0x400000, 1}, {0x400008, 2}},              /* two in a block */
		{{0x401000, 1}, {0x400000, 2}},              /* falling */
		{{0x400000, 1}, {0x400000 + 4 * kBlock, 2}}, /* behind it */
	};
	for (const auto &writes : bad)
		EXPECT_EQ(LimaList::of_heap(0x400000, writes, 4 * kBlock).error().code, EINVAL);
	EXPECT_EQ(LimaList::of_heap(0x400000, {}, 100).error().code, EINVAL);
	EXPECT_TRUE(LimaList::of_heap(0x400000, {}, kBlock));
}

TEST(LimaOutcome, OneErrnoForEverything)
{
	const Driver &lima = *find_driver("lima");
	EXPECT_TRUE(may_be_timeout(lima, ECANCELED));
	EXPECT_FALSE(may_be_timeout(lima, EINVAL));
	EXPECT_EQ(outcome_of(lima, ECANCELED, TimeoutRole::culprit).fate, Fate::timed_out);
	EXPECT_EQ(outcome_of(lima, ECANCELED, TimeoutRole::none).fate, Fate::failed);
	EXPECT_EQ(outcome_of(lima, ECANCELED, TimeoutRole::victim).flags, 0) << "a reset of lima takes one job only";
	EXPECT_EQ(sign_of(lima, "[drm:lima_sched_timedout_job [lima]] *ERROR* gp job timeout"), LogSign::job_timeout);
	EXPECT_EQ(sign_of(lima, "lima mali-utgard: gp task error int_state=0 status=8"), LogSign::none);
}

} // namespace
} // namespace drmsqueeze
