/* SPDX-License-Identifier: MIT */
#include <csignal>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "injectors/restore_journal.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

TEST(Setting, SameMeaningInTheKernelsSpelling)
{
	EXPECT_TRUE(same_setting("Y\n", "1"));
	EXPECT_TRUE(same_setting("N\n", "0"));
	EXPECT_TRUE(same_setting("0x0000000000000000\n", "0"));
	EXPECT_TRUE(same_setting("0xffffffffffffffff\n", "0xffffffffffffffff"));
	EXPECT_TRUE(same_setting("18446744073709551615", "-1"));
	EXPECT_TRUE(same_setting("1 -1 400000\n", "1 -1 400000"));
	EXPECT_TRUE(same_setting("always\n", "always"));
	EXPECT_FALSE(same_setting("1 -1 400000\n", "1 -1 400001"));
	EXPECT_FALSE(same_setting("1\n", "1 0"));
	EXPECT_FALSE(same_setting("", "0"));
	EXPECT_FALSE(same_setting("100\n", "0"));
}

/** Knobs in a tree that every test must leave as it was. */
class JournalTest : public testing::Test
{
protected:
	void SetUp() override
	{
		tree_.write("/knob/a", "0\n");
		tree_.write("/knob/b", "a much longer text than what is written\n");
		before_ = tree_.snapshot();
	}
	void TearDown() override { EXPECT_EQ(tree_.snapshot(), before_); }

	RestoreJournal journal() { return std::move(*RestoreJournal::create(file_)); }

	TemporaryRoot tree_;
	std::string file_ = tree_.path("/run/restore.json");
	std::map<std::string, std::string> before_;
};

TEST_F(JournalTest, TurnsAndPutsBack)
{
	RestoreJournal journal = this->journal();
	ASSERT_TRUE(journal.turn(tree_.path("/knob/a"), "100"));
	ASSERT_TRUE(journal.turn(tree_.path("/knob/b"), "x"));
	ASSERT_TRUE(journal.turn(tree_.path("/knob/a"), "7"));
	EXPECT_EQ(tree_.read("/knob/a"), "7");
	EXPECT_EQ(tree_.read("/knob/b"), "x");
	EXPECT_TRUE(std::filesystem::exists(file_));
	EXPECT_TRUE(journal.restore());
	EXPECT_TRUE(journal.failed().empty());
}

TEST_F(JournalTest, IsOnDiskBeforeTheKnobIsTurned)
{
	RestoreJournal journal = this->journal();
	/* A write that fails leaves its entry: the kernel may have taken part of it. */
	ASSERT_TRUE(journal.turn(tree_.path("/knob/a"), "1"));
	EXPECT_THAT(tree_.read("/run/restore.json"), testing::HasSubstr("/knob/a"));
	EXPECT_TRUE(journal.restore());
}

TEST_F(JournalTest, MissingKnobIsAnErrorAndNoEntry)
{
	RestoreJournal journal = this->journal();
	EXPECT_EQ(journal.turn(tree_.path("/knob/none"), "1").error().code, ENOENT);
	EXPECT_FALSE(std::filesystem::exists(file_));
	EXPECT_TRUE(journal.restore());
}

TEST_F(JournalTest, RestoresWhatAKilledProcessLeft)
{
	pid_t child = fork();
	if (child == 0) {
		RestoreJournal journal = this->journal();
		bool turned = journal.turn(tree_.path("/knob/a"), "1") && journal.turn(tree_.path("/knob/b"), "2");
		if (turned)
			raise(SIGKILL);
		_exit(1);
	}
	int status = 0;
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(tree_.read("/knob/b"), "2");

	/* A new run must not take the turned knobs for the machine's own. */
	EXPECT_EQ(RestoreJournal::create(file_).error().code, EBUSY);

	std::vector<std::string> lost;
	auto journal = RestoreJournal::load(file_, lost);
	ASSERT_TRUE(journal);
	EXPECT_TRUE(lost.empty());
	EXPECT_TRUE(journal->restore());
}

TEST_F(JournalTest, TakesOutWhatItAddedToAList)
{
	tree_.write("/list", "");
	RestoreJournal journal = this->journal();
	ASSERT_TRUE(journal.add(tree_.path("/list"), "some_function"));
	EXPECT_EQ(tree_.read("/list"), "some_function");
	EXPECT_THAT(tree_.read("/run/restore.json"), testing::HasSubstr("some_function"));
	EXPECT_TRUE(journal.restore());
	EXPECT_EQ(tree_.read("/list"), "!some_function") << "what the kernel takes for the entry's end";
	std::filesystem::remove(tree_.path("/list"));
}

TEST_F(JournalTest, LeavesAListEntryThatIsSomebodyElses)
{
	tree_.write("/list", "other_function [module]\nsome_function [module]\n");
	RestoreJournal journal = this->journal();
	EXPECT_EQ(journal.add(tree_.path("/list"), "some_function").error().code, EEXIST);
	EXPECT_TRUE(journal.restore());
	EXPECT_EQ(tree_.read("/list"), "other_function [module]\nsome_function [module]\n");
	std::filesystem::remove(tree_.path("/list"));
}

TEST_F(JournalTest, UndoesListEntriesAndMarksOfAKilledProcess)
{
	tree_.write("/list", "");
	tree_.write("/proc/7/task/7/make-it-fail", "0\n");
	tree_.write("/proc/7/task/8/make-it-fail", "1\n");
	RestoreJournal killed = this->journal();
	ASSERT_TRUE(killed.add(tree_.path("/list"), "some_function"));
	ASSERT_TRUE(killed.mark_tasks(tree_.path("/proc"), {"7/task/7"}));
	EXPECT_EQ(tree_.read("/proc/7/task/7/make-it-fail"), "1");
	tree_.write("/proc/7/task/9/make-it-fail", "1\n"); /* cloned by a marked one */

	std::vector<std::string> lost;
	auto journal = RestoreJournal::load(file_, lost);
	ASSERT_TRUE(journal);
	EXPECT_TRUE(journal->restore());
	EXPECT_EQ(tree_.read("/list"), "!some_function");
	EXPECT_EQ(tree_.read("/proc/7/task/7/make-it-fail"), "0");
	EXPECT_EQ(tree_.read("/proc/7/task/8/make-it-fail"), "1\n") << "was marked before";
	EXPECT_EQ(tree_.read("/proc/7/task/9/make-it-fail"), "0");
	EXPECT_FALSE(std::filesystem::exists(file_));
	std::filesystem::remove_all(tree_.path("/proc"));
	std::filesystem::remove(tree_.path("/list"));
}

TEST_F(JournalTest, LoadTellsOfKnobsThatAreGone)
{
	RestoreJournal journal = this->journal();
	tree_.write("/knob/c", "1");
	ASSERT_TRUE(journal.turn(tree_.path("/knob/c"), "2"));
	std::filesystem::remove(tree_.path("/knob/c"));
	std::vector<std::string> lost;
	auto loaded = RestoreJournal::load(file_, lost);
	ASSERT_TRUE(loaded);
	ASSERT_EQ(lost.size(), 1U);
	EXPECT_THAT(lost[0], testing::HasSubstr("/knob/c"));
	EXPECT_TRUE(loaded->restore());
	EXPECT_TRUE(std::filesystem::exists(file_))
		<< "the value of a knob that is missing today must not be forgotten";
	std::filesystem::remove(file_);
}

TEST_F(JournalTest, FileThatIsNoJournal)
{
	tree_.write("/run/restore.json", "{}");
	std::vector<std::string> lost;
	EXPECT_EQ(RestoreJournal::load(file_, lost).error().code, EBADMSG);
	std::filesystem::remove(file_);
}

} // namespace
} // namespace drmsqueeze
