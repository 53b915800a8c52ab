/* SPDX-License-Identifier: MIT */
/* What the memcg injector can show without a kernel: its arithmetic, what it reads, and the cgroup in the journal. */
#include <gmock/gmock.h>

#include "agent/sampler.h"
#include "injectors/cgroup.h"
#include "injectors/injector.h"
#include "injectors/memcg_limits.h"
#include "injectors/restore_journal.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kUsed = 100 * kMib;

TEST(MemcgLimits, NoStepIsNoLimit)
{
	EXPECT_EQ(limit_at({}, 0, 5, kUsed), kNoLimit);
	LimitStep later{.at_ns = 10, .to = {kMib}};
	EXPECT_EQ(limit_at({&later, 1}, 0, 9, kUsed), kNoLimit);
	EXPECT_EQ(limit_at({&later, 1}, 0, 10, kUsed), kMib);
	EXPECT_EQ(limit_at({&later, 1}, 1, 10, kUsed), kNoLimit) << "memory.high was not named";
}

TEST(MemcgLimits, RampGoesEvenlyFromWhatWasUsed)
{
	LimitStep ramp{.at_ns = 100, .over_ns = 100, .to = {20 * kMib}};
	EXPECT_EQ(limit_at({&ramp, 1}, 0, 100, kUsed), kUsed);
	EXPECT_EQ(limit_at({&ramp, 1}, 0, 150, kUsed), 60 * kMib);
	EXPECT_EQ(limit_at({&ramp, 1}, 0, 200, kUsed), 20 * kMib);
	EXPECT_EQ(limit_at({&ramp, 1}, 0, 100, kMib), 20 * kMib) << "never above what it goes to";
}

TEST(MemcgLimits, StepsFollowEachOther)
{
	const LimitStep steps[] = {
		{.at_ns = 0, .to = {80 * kMib}},
		{.at_ns = 100, .over_ns = 100, .to = {40 * kMib}},
		{.at_ns = 120, .to = {std::nullopt, 1}}, /* names another limit: cuts nothing short */
		{.at_ns = 150, .over_ns = 50, .to = {20 * kMib}},
		{.at_ns = 300, .to = {kNoLimit}},
	};
	EXPECT_EQ(limit_at(steps, 0, 99, kUsed), 80 * kMib);
	EXPECT_EQ(limit_at(steps, 0, 125, kUsed), 70 * kMib);
	EXPECT_EQ(limit_at(steps, 0, 150, kUsed), 60 * kMib) << "the first ramp ends half way";
	EXPECT_EQ(limit_at(steps, 0, 175, kUsed), 40 * kMib);
	EXPECT_EQ(limit_at(steps, 0, 250, kUsed), 20 * kMib);
	EXPECT_EQ(limit_at(steps, 0, 300, kUsed), kNoLimit);
	EXPECT_EQ(limit_at(steps, 1, 300, kUsed), 1U);
}

TEST(MemcgLimits, PhasesWeakenThem)
{
	EXPECT_EQ(weakened(20 * kMib, 0, kUsed), kNoLimit);
	EXPECT_EQ(weakened(20 * kMib, 0.5, kUsed), 60 * kMib);
	EXPECT_EQ(weakened(20 * kMib, 1, kUsed), 20 * kMib);
	EXPECT_EQ(weakened(kNoLimit, 1, kUsed), kNoLimit);
}

TEST(MemcgLimits, TextIsTheKernels)
{
	EXPECT_EQ(limit_text(kNoLimit), "max");
	EXPECT_EQ(limit_text(8192), "8192");
	EXPECT_EQ(limit_text(8191), "4096");
	EXPECT_EQ(limit_text(0), "0");
}

TEST(Cgroup, Words)
{
	EXPECT_TRUE(has_word("cpuset cpu memory\n", "memory"));
	EXPECT_FALSE(has_word("cpuset hugememory\n", "memory"));
	EXPECT_FALSE(has_word("", "memory"));
	EXPECT_EQ(controllers_to_drop("memory\n", ""), "-memory");
	EXPECT_EQ(controllers_to_drop("cpu memory pids\n", "cpu"), "-memory -pids");
	EXPECT_EQ(controllers_to_drop("cpu memory\n", "memory cpu"), "");
}

TEST(Cgroup, FilesAreReadByLineAndField)
{
	/* memory.events, memory.stat and memory.pressure of 6.12 */
	constexpr std::string_view kEvents = "low 0\nhigh 3\nmax 14\noom 1\noom_kill 2\noom_group_kill 0\n";
	constexpr std::string_view kStat = "anon 4194304\nfile 8192\nkernel 65536\nshmem 4096\nanon_thp 0\n";
	constexpr std::string_view kPressure = "some avg10=1.50 avg60=0.20 avg300=0.04 total=123456\n"
					       "full avg10=0.50 avg60=0.10 avg300=0.02 total=23456\n";
	int64_t value = 0;
	ASSERT_TRUE(find_value(kEvents, "max ", "", 1, value));
	EXPECT_EQ(value, 14);
	ASSERT_TRUE(find_value(kEvents, "oom ", "", 1, value));
	EXPECT_EQ(value, 1) << "oom_kill is another line";
	ASSERT_TRUE(find_value(kStat, "anon ", "", 1.0 / 1024, value));
	EXPECT_EQ(value, 4096);
	ASSERT_TRUE(find_value(kPressure, "full ", "total=", 1, value));
	EXPECT_EQ(value, 23456);
	EXPECT_FALSE(find_value(kEvents, "sock_throttled ", "", 1, value));
}

class CgroupJournalTest : public testing::Test
{
protected:
	CgroupJournalTest() { tree_.write("/cgroup/cgroup.subtree_control", "memory pids\n"); }
	void TearDown() override
	{
		EXPECT_FALSE(std::filesystem::exists(tree_.path("/cgroup/clients")));
		EXPECT_FALSE(std::filesystem::exists(file_));
	}

	TemporaryRoot tree_;
	std::string file_ = tree_.path("/run/restore.json");
	std::string clients_ = tree_.path("/cgroup/clients");
};

TEST_F(CgroupJournalTest, KnobsGoBackFirstAndTheCgroupStaysForItsClients)
{
	auto journal = RestoreJournal::create(file_);
	ASSERT_TRUE(journal);
	tree_.write("/knob", "1");
	ASSERT_TRUE(journal->make_cgroup(clients_, "memory"));
	ASSERT_TRUE(journal->turn(tree_.path("/knob"), "2"));
	EXPECT_TRUE(journal->restore_knobs());
	EXPECT_EQ(tree_.read("/knob"), "1");
	EXPECT_TRUE(std::filesystem::exists(clients_));
	EXPECT_TRUE(std::filesystem::exists(file_)) << "the cgroup must not be forgotten";
	EXPECT_TRUE(journal->restore());
}

TEST_F(CgroupJournalTest, OneThatIsThereIsSomebodyElses)
{
	std::filesystem::create_directory(clients_);
	auto journal = RestoreJournal::create(file_);
	ASSERT_TRUE(journal);
	EXPECT_EQ(journal->make_cgroup(clients_, "").error().code, EEXIST);
	EXPECT_TRUE(journal->restore());
	EXPECT_TRUE(std::filesystem::exists(clients_));
	std::filesystem::remove(clients_);
}

TEST_F(CgroupJournalTest, AKilledRunsCgroupIsRemovedWithItsKnobs)
{
	{
		auto journal = RestoreJournal::create(file_);
		ASSERT_TRUE(journal && journal->make_cgroup(clients_, "memory"));
		tree_.write("/cgroup/clients/memory.max", "max");
		ASSERT_TRUE(journal->turn(clients_ + "/memory.max", "4096"));
	}
	/* In the kernel's tree the files go with the directory. */
	std::filesystem::remove(clients_ + "/memory.max");
	std::vector<std::string> lost;
	auto journal = RestoreJournal::load(file_, lost);
	ASSERT_TRUE(journal);
	EXPECT_TRUE(lost.empty()) << "a file of a cgroup that goes is no loss";
	EXPECT_TRUE(journal->restore());
}

TEST_F(CgroupJournalTest, OneThatCannotBeRemovedIsTold)
{
	auto journal = RestoreJournal::create(file_);
	ASSERT_TRUE(journal && journal->make_cgroup(clients_, ""));
	tree_.write("/cgroup/clients/file", "");
	EXPECT_FALSE(journal->restore());
	EXPECT_THAT(journal->failed(), testing::ElementsAre(clients_));
	EXPECT_TRUE(std::filesystem::exists(file_));
	std::filesystem::remove(clients_ + "/file");
	EXPECT_TRUE(journal->restore());
}

TEST(MemcgInjector, SaysWhyItCannotWork)
{
	TemporaryRoot tree;
	const InjectorDescriptor *memcg = nullptr;
	for (const InjectorDescriptor *injector : all_injectors())
		if (std::string_view(injector->kind) == "memcg")
			memcg = injector;
	ASSERT_NE(memcg, nullptr);
	EXPECT_THAT(memcg->unsupported(tree.root()), testing::HasSubstr("no cgroup v2"));
	tree.write("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n");
	EXPECT_THAT(memcg->unsupported(tree.root()), testing::HasSubstr("has no memory"));
	tree.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
	EXPECT_EQ(memcg->unsupported(tree.root()), "");
}

} // namespace
} // namespace drmsqueeze
