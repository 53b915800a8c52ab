/* SPDX-License-Identifier: MIT */
#include "agent/tasks.h"

#include <gmock/gmock.h>

#include "tests/cpp/temporary_root.h"

namespace drmsqueeze
{
namespace
{

using testing::IsEmpty;
using testing::UnorderedElementsAre;

class TasksTest : public testing::Test
{
protected:
	void SetUp() override
	{
		for (const char *task : {"1/task/1", "70/task/70", "70/task/71", "80/task/80"})
			tree_.write(std::string("/proc/") + task + "/comm", "a\n");
		tree_.write("/proc/meminfo", "");
		tree_.write("/proc/self/task/1/comm", "a\n");
	}

	TemporaryRoot tree_;
	std::vector<std::string> visited_;
};

TEST_F(TasksTest, EveryThreadIsVisitedOnce)
{
	for_each_task(tree_.path("/proc"), [&](const Task &task) { visited_.push_back(task.directory()); });
	EXPECT_THAT(visited_, UnorderedElementsAre("1/task/1", "70/task/70", "70/task/71", "80/task/80"));
}

TEST_F(TasksTest, TasksThatVanishWhileTheyAreVisitedAreLeftOut)
{
	for_each_task(tree_.path("/proc"), [&](const Task &task) {
		visited_.push_back(task.directory());
		std::filesystem::remove_all(tree_.path("/proc"));
	});
	ASSERT_FALSE(visited_.empty());
	for (const std::string &task : visited_)
		EXPECT_EQ(task.substr(0, task.find('/')), visited_[0].substr(0, visited_[0].find('/')));
}

TEST_F(TasksTest, NumbersAreNamesOfDigitsOnly)
{
	tree_.write("/dri/0/name", "");
	tree_.write("/dri/128", "");
	tree_.write("/dri/1a", "");
	EXPECT_THAT(numbers_in(tree_.path("/dri")), UnorderedElementsAre("0", "128"));
	EXPECT_THAT(numbers_in(tree_.path("/nowhere")), IsEmpty());
}

TEST(TaskState, IsTheLetterBehindTheName)
{
	EXPECT_EQ(task_state("7 (irq/25-panfrost) D 2 0"), 'D');
	EXPECT_EQ(task_state("7 (a) Z) S 2 0"), 'S');
	EXPECT_EQ(task_state("7 (a)"), '?');
	EXPECT_EQ(task_state(""), '?');
}

} // namespace
} // namespace drmsqueeze
