/* SPDX-License-Identifier: MIT */
/*
 * Evidence is collected although a read blocks: a FIFO without a writer stands for a file whose lock is held for good.
 */
#include "agent/evidence.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <thread>

#include "agent/clock.h"
#include "agent/unique_fd.h"
#include "tests/cpp/local_ring.h"
#include "tests/cpp/temporary_root.h"

namespace drmsqueeze
{
namespace
{

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::Pair;

constexpr int64_t kLimit = 200 * kNsPerMs;

class EvidenceTest : public testing::Test
{
protected:
	void SetUp() override
	{
		tree_.write("/proc/meminfo", "MemTotal: 1 kB\n");
		tree_.write("/proc/7/comm", "irq/25-panfrost\n");
		tree_.write("/proc/7/task/7/comm", "irq/25-panfrost\n");
		tree_.write("/proc/7/task/7/stat", "7 (irq/25-panfrost) D 2 0\n");
		tree_.write("/proc/7/task/7/stack", "[<0>] panfrost_mmu_map_fault_addr+0x1/0x2\n");
		tree_.write("/proc/8/task/8/comm", "kworker/u4:1\n");
		tree_.write("/proc/8/task/8/stat", "8 (kworker/u4:1) I 2 0\n");
		tree_.write("/proc/8/task/8/stack", "[<0>] worker_thread+0x1/0x2\n[<0>] kthread+0x1/0x2\n");
		tree_.write("/proc/10/task/10/comm", "kworker/R-mm_percpu_wq\n");
		tree_.write("/proc/10/task/10/stat", "10 (kworker/R-mm_percpu_wq) I 2 0\n");
		tree_.write("/proc/10/task/10/stack", "[<0>] rescuer_thread+0x1/0x2\n[<0>] kthread+0x1/0x2\n");
		tree_.write("/proc/9/comm", "drmsq-client\n");
		tree_.write("/proc/9/fdinfo/4", "pos: 0\ndrm-driver: panfrost\n");
		tree_.write("/proc/9/fdinfo/5", "pos: 0\n");
		tree_.write("/sys/kernel/debug/sync/info", "objs:\n");
		tree_.write("/sys/kernel/debug/dri/0/clients", "command tgid\n");
		tree_.write("/sys/kernel/debug/dri/0/amdgpu_gpu_recover", "never read this\n");
		tree_.write("/sys/kernel/debug/dri/128/clients", "the same again\n");
		std::filesystem::create_directories(tree_.path("/sys/kernel/debug/dma_buf"));
	}

	/** @unblock is called once all that can be read was read. */
	void collect(const std::function<void()> &unblock)
	{
		control_->evidence_wanted.store(1);
		std::thread process([this] { run_evidence(tree_.root(), ring_.recorder(), *control_, kLimit); });
		while (control_->evidence_done.load() == 0)
			sleep_ns(kNsPerMs);
		unblock();
		process.join();
		std::map<uint64_t, std::string> names;
		for (const Record &record : ring_.read()) {
			std::string text(record.text, strnlen(record.text, sizeof(record.text)));
			if (Kind(record.kind) == Kind::witness)
				witnesses_.push_back(text);
			else if (record.a < 0)
				files_[names[record.job] = text] = "";
			else
				files_[names[record.job]] += text.substr(0, static_cast<size_t>(record.b));
		}
	}

	TemporaryRoot tree_;
	LocalRing ring_{4096};
	Control *control_ = make_control();
	std::map<std::string, std::string> files_;
	std::vector<std::string> witnesses_;
};

TEST_F(EvidenceTest, ReadsAllAndNothingBlocks)
{
	tree_.write("/sys/kernel/debug/dma_buf/bufinfo", std::string(300000, 'x'));
	collect([] {});
	EXPECT_TRUE(witnesses_.empty());
	EXPECT_EQ(files_["evidence/meminfo.txt"], "MemTotal: 1 kB\n");
	EXPECT_THAT(files_["evidence/stacks.txt"], HasSubstr("7 (irq/25-panfrost) D\n[<0>] panfrost_mmu"));
	EXPECT_THAT(files_["evidence/stacks.txt"], Not(HasSubstr("kworker"))) << "an idle worker";
	EXPECT_THAT(files_["evidence/fdinfo.txt"], HasSubstr("descriptor 4\npos: 0\ndrm-driver: panfrost"));
	EXPECT_THAT(files_["evidence/fdinfo.txt"], Not(HasSubstr("descriptor 5")));
	EXPECT_THAT(files_, Contains(Pair("evidence/dri-0-clients.txt", "command tgid\n")));
	EXPECT_THAT(files_, Not(Contains(Key("evidence/dri-0-amdgpu_gpu_recover.txt"))));
	EXPECT_THAT(files_, Not(Contains(Key("evidence/dri-128-clients.txt"))));
	EXPECT_THAT(files_, Not(Contains(Key("evidence/blocked-reads.txt"))));
	EXPECT_EQ(files_["evidence/dma-buf-bufinfo.txt"].substr(262144), "\n(cut here)\n");
}

TEST_F(EvidenceTest, AReadThatBlocksIsEvidenceAndHidesNothing)
{
	for (const char *file : {"/sys/kernel/debug/sync/info", "/sys/kernel/debug/dma_buf/bufinfo"}) {
		std::filesystem::remove(tree_.path(file));
		ASSERT_EQ(mkfifo(tree_.path(file).c_str(), 0600), 0);
	}
	collect([this] {
		for (const char *file : {"/sys/kernel/debug/sync/info", "/sys/kernel/debug/dma_buf/bufinfo"})
			UniqueFd(open(tree_.path(file).c_str(), O_WRONLY));
	});
	EXPECT_EQ(witnesses_.size(), 2U);
	EXPECT_THAT(witnesses_[0], HasSubstr("debugfs-blocked "));
	EXPECT_THAT(witnesses_[0], HasSubstr("sync/info"));
	EXPECT_THAT(witnesses_[1], HasSubstr("bufinfo"));
	EXPECT_THAT(files_["evidence/blocked-reads.txt"], HasSubstr("bufinfo did not come back for "));
	EXPECT_THAT(files_["evidence/blocked-reads.txt"], HasSubstr("sync/info did not come back for "));
	EXPECT_THAT(files_, Contains(Pair("evidence/dri-0-clients.txt", "command tgid\n")))
		<< "after the one that blocked";
	EXPECT_THAT(files_["evidence/stacks.txt"], HasSubstr("panfrost_mmu"));
	EXPECT_THAT(files_, Not(Contains(Key("evidence/dma-buf-bufinfo.txt"))));
}

} // namespace
} // namespace drmsqueeze
