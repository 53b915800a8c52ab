/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "injectors/task_marks.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

using testing::UnorderedElementsAre;

class TaskMarksTest : public testing::Test
{
protected:
	void SetUp() override
	{
		add_task("60", "60", "irq/25-panfrost-mmu");
		add_task("61", "61", "irq/24-panfrost-job");
		add_task("70", "70", "client");
		add_task("70", "71", "worker");
		add_task("80", "80", "other");
		add_task("80", "81", "client");
		tree_.write("/proc/meminfo", "");
	}

	void add_task(const std::string &pid, const std::string &tid, const std::string &comm)
	{
		std::string task = "/proc/" + pid + "/task/" + tid;
		tree_.write(task + "/comm", comm + "\n");
		tree_.write(task + "/make-it-fail", "0\n");
		if (pid == tid)
			tree_.write("/proc/" + pid + "/comm", comm + "\n");
	}

	std::string mark(const std::string &task) { return trimmed(tree_.read("/proc/" + task + "/make-it-fail")); }

	TemporaryRoot tree_;
};

TEST_F(TaskMarksTest, ThreadsByTheirOwnNameOrTheirProcess)
{
	EXPECT_THAT(*matching_tasks(tree_.root(), "irq/*panfrost*"), UnorderedElementsAre("60/task/60", "61/task/61"));
	EXPECT_THAT(*matching_tasks(tree_.root(), "client"),
		    UnorderedElementsAre("70/task/70", "70/task/71", "80/task/81"));
	EXPECT_THAT(*matching_tasks(tree_.root(), "worker"), UnorderedElementsAre("70/task/71"));
	EXPECT_EQ(matching_tasks(tree_.root(), "irq/*lima*").error().code, ENOENT);
}

TEST_F(TaskMarksTest, KernelThatCannotMarkTasks)
{
	std::filesystem::remove(tree_.path("/proc/71/task/71/make-it-fail"));
	for (const char *task : {"70/task/70", "70/task/71", "80/task/81"})
		std::filesystem::remove(tree_.path(std::string("/proc/") + task + "/make-it-fail"));
	EXPECT_EQ(matching_tasks(tree_.root(), "client").error().code, ENOTSUP);
}

TEST_F(TaskMarksTest, EndedTasksAreLeftOut)
{
	TaskMarks marks = TaskMarks::look(tree_.path("/proc"));
	EXPECT_TRUE(marks.mark({"60/task/60", "99/task/99"}));
	EXPECT_EQ(mark("60/task/60"), "1");
	EXPECT_EQ(mark("61/task/61"), "0");
	EXPECT_TRUE(marks.restore());
	EXPECT_EQ(mark("60/task/60"), "0");
}

} // namespace
} // namespace drmsqueeze
