/* SPDX-License-Identifier: MIT */
#include "agent/watcher.h"

#include <gmock/gmock.h>
#include <set>
#include <thread>

#include "agent/blocked_tasks.h"
#include "agent/clock.h"
#include "tests/cpp/local_ring.h"
#include "tests/cpp/temporary_root.h"

namespace drmsqueeze
{
namespace
{

using testing::ElementsAre;
using testing::IsEmpty;

class BlockedTasksTest : public testing::Test
{
protected:
	void task(int tid, const std::string &comm, char state, int switches)
	{
		std::string directory = "/proc/" + std::to_string(tid) + "/task/" + std::to_string(tid);
		tree_.write(directory + "/comm", comm + "\n");
		tree_.write(directory + "/stat", std::to_string(tid) + " (" + comm + ") " + state + " 2 0\n");
		tree_.write(directory + "/status", "voluntary_ctxt_switches:\t" + std::to_string(switches) +
							   "\nnonvoluntary_ctxt_switches:\t1\n");
		tree_.write(directory + "/stack", "[<0>] dma_fence_default_wait+0x1/0x2\n");
	}

	/** Names of those that are told at @now_ns. */
	std::vector<std::string> look(int64_t now_ns)
	{
		std::vector<std::string> told;
		tasks_.look(now_ns, [&](const LongBlocked &task) { told.push_back(task.comm + "|" + task.stack); });
		return told;
	}

	TemporaryRoot tree_;
	BlockedTasks tasks_{tree_.root(), 1000};
};

TEST_F(BlockedTasksTest, ATaskBeyondTheLimitIsToldOnceWithItsStack)
{
	task(7, "irq/25-panfrost", 'D', 5);
	EXPECT_THAT(look(100), IsEmpty());
	EXPECT_THAT(look(1099), IsEmpty());
	EXPECT_THAT(look(1100), ElementsAre("irq/25-panfrost|[<0>] dma_fence_default_wait+0x1/0x2\n"));
	EXPECT_THAT(look(5000), IsEmpty());
}

TEST_F(BlockedTasksTest, OneThatWasAwakeMeanwhileIsInAnotherSleep)
{
	task(7, "kswapd0", 'D', 5);
	look(0);
	task(7, "kswapd0", 'D', 6);
	EXPECT_THAT(look(1100), IsEmpty());
	EXPECT_EQ(look(2200).size(), 1U);
}

TEST_F(BlockedTasksTest, OneThatWasSeenAwakeBeginsAnew)
{
	task(7, "kswapd0", 'D', 5);
	look(0);
	task(7, "kswapd0", 'S', 5);
	look(500);
	task(7, "kswapd0", 'D', 5);
	EXPECT_THAT(look(1100), IsEmpty());
}

TEST_F(BlockedTasksTest, IdleWorkersSleepersAndOurHogAreNotTold)
{
	task(7, "kworker/0:1", 'I', 5);
	task(8, "drmsq-client", 'S', 5);
	task(9, "drmsqueeze-hog", 'D', 5);
	task(10, "drmsq-evidence", 'D', 5);
	look(0);
	EXPECT_THAT(look(5000), IsEmpty());
}

TEST(Taint, LettersAreTheKernels)
{
	EXPECT_EQ(taint_letters(0), "");
	EXPECT_EQ(taint_letters(1 << 9), "W");
	EXPECT_EQ(taint_letters(1 << 12 | 1 << 14 | 1 << 7), "DOL");
	EXPECT_EQ(taint_letters(1ULL << 18 | 1ULL << 40), "N#40");
}

TEST(Coredumps, AreKeptOnceAndFreed)
{
	TemporaryRoot tree;
	LocalRing ring(4096);
	std::set<std::string> seen;
	tree.write("/sys/class/devcoredump/disabled", "0\n");
	collect_coredumps(tree.root(), ring.recorder(), *make_control(), seen);
	EXPECT_THAT(ring.read(), IsEmpty());

	tree.write("/sys/class/devcoredump/devcd1/data", "the dump");
	for (int look = 0; look < 2; look++) /* the kernel may take its time to free it */
		collect_coredumps(tree.root(), ring.recorder(), *make_control(), seen);
	auto records = ring.read();
	ASSERT_EQ(records.size(), 3U);
	EXPECT_STREQ(records[0].text, "devcoredump devcd1 ");
	EXPECT_STREQ(records[1].text, "evidence/devcoredump-devcd1.bin");
	EXPECT_STREQ(records[2].text, "the dump");
	EXPECT_EQ(tree.read("/sys/class/devcoredump/devcd1/data"), "the dump1")
		<< "a plain file takes the write at its end";
}

TEST(Watcher, WhatComesLastIsSeenInTheLastLook)
{
	TemporaryRoot tree;
	LocalRing ring(4096);
	Control *control = make_control();
	constexpr int64_t kForever = INT64_MAX; /* so that it looks every two seconds */
	tree.write("/sys/class/devcoredump/devcd0/data", "one");
	tree.write("/proc/sys/kernel/tainted", "4096\n");
	std::thread process([&] { run_watcher(tree.root(), ring.recorder(), *control, kForever); });
	while (tree.read("/sys/class/devcoredump/devcd0/data") != "one1")
		sleep_ns(kNsPerMs);
	EXPECT_EQ(control->last_looks.load(), 0U);
	tree.write("/sys/class/devcoredump/devcd1/data", "the dump");
	tree.write("/proc/sys/kernel/tainted", "4608\n");
	control->last_look_wanted.store(1);
	while (control->last_looks.load() < kLookers)
		sleep_ns(kNsPerMs);
	control->finished.store(1);
	process.join();
	std::multiset<std::string> witnesses;
	for (const Record &record : ring.read())
		if (static_cast<Kind>(record.kind) == Kind::witness)
			witnesses.insert(record.text);
	EXPECT_THAT(witnesses, ElementsAre("devcoredump devcd0 ", "devcoredump devcd1 ", "taint W"));
}

TEST(Root, ANumberIsWhatAFileBeginsWith)
{
	TemporaryRoot tree;
	for (const auto &[text, number] : {std::pair{"12\n", 12U}, {" 7 of 9\n", 7U}, {"0x1f000\n", 0x1f000U}}) {
		tree.write("/file", text);
		auto found = tree.root().number("/file");
		ASSERT_TRUE(found) << text;
		EXPECT_EQ(*found, number);
	}
	for (const char *text : {"", "none\n", "-1\n", "0x\n"}) {
		tree.write("/file", text);
		EXPECT_EQ(tree.root().number("/file").error().code, EPROTO) << text;
	}
	EXPECT_EQ(tree.root().number("/other").error().code, ENOENT);
}

} // namespace
} // namespace drmsqueeze
