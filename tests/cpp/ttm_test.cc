/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "injectors/injector.h"
#include "stressors/drm/bus_guard.h"
#include "stressors/ttm_bo.h"
#include "stressors/ttm_state.h"
#include "temporary_root.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kTtmLimits;

namespace
{

using nlohmann::json;

/** A BO that is a file in memory: cut short, it answers with SIGBUS, as TTM does where it cannot populate. */
class FileBuffer : public Buffer
{
public:
	explicit FileBuffer(int fd) : fd_(fd) {}
	uint64_t bytes() const override { return kBytes; }
	uint32_t handle() const override { return 1; }
	Result<UniqueFd> export_dmabuf() const override { return Error{EOPNOTSUPP, ""}; }
	Result<uint64_t> read64(uint64_t) override { return Error{EOPNOTSUPP, ""}; }
	Result<Mapping> map() override { return Mapping::create(fd_, 0, kBytes, PROT_READ | PROT_WRITE); }

	static constexpr uint64_t kBytes = 16384;

private:
	int fd_;
};

class TtmBoTest : public testing::Test
{
protected:
	void SetUp() override { ASSERT_EQ(ftruncate(file_.get(), FileBuffer::kBytes), 0); }

	TtmBo make() const { return std::move(*TtmBo::create(std::make_unique<FileBuffer>(file_.get()))); }

	UniqueFd file_{memfd_create("bo", MFD_CLOEXEC)};
	static constexpr uint64_t kSeed = 7;
};

TEST_F(TtmBoTest, HoldsWhatWasLastWritten)
{
	TtmBo bo = make();
	EXPECT_TRUE(bo.verify(kSeed).good()) << "nobody has written yet";
	EXPECT_TRUE(bo.write(kSeed, 1).good());
	EXPECT_TRUE(bo.verify(kSeed).good());
	EXPECT_TRUE(bo.write(kSeed, 2).good());
	EXPECT_TRUE(bo.verify(kSeed).good());
}

TEST_F(TtmBoTest, OneWrongValueIsCorrupted)
{
	TtmBo bo = make();
	ASSERT_TRUE(bo.write(kSeed, 1).good());
	const uint64_t wrong = 1;
	ASSERT_EQ(pwrite(file_.get(), &wrong, sizeof(wrong), 12288 + 512), ssize_t{sizeof(wrong)});
	TtmVerdict verdict = bo.verify(kSeed);
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_THAT(verdict.reason, testing::HasSubstr("0x3200"));
}

TEST_F(TtmBoTest, APageOfZerosAndAnotherBosPagesAreCorrupted)
{
	TtmBo bo = make();
	ASSERT_TRUE(bo.write(kSeed, 1).good());
	std::string page(4096, '\0');
	ASSERT_EQ(pread(file_.get(), page.data(), page.size(), 4096), ssize_t{4096});
	ASSERT_EQ(pwrite(file_.get(), page.data(), page.size(), 8192), ssize_t{4096});
	EXPECT_EQ(bo.verify(kSeed).fate, Fate::corrupted) << "a page came back in another's place";
	ASSERT_TRUE(bo.write(kSeed, 1).good());
	ASSERT_EQ(fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	EXPECT_EQ(bo.verify(kSeed).fate, Fate::corrupted) << "a page was lost";
}

TEST_F(TtmBoTest, SigbusIsAFailedStepAndNoDeadClient)
{
	TtmBo bo = make();
	ASSERT_TRUE(bo.write(kSeed, 1).good());
	ASSERT_EQ(ftruncate(file_.get(), 4096), 0);
	TtmVerdict verdict = bo.verify(kSeed);
	EXPECT_EQ(verdict.fate, Fate::failed);
	EXPECT_EQ(verdict.error, EFAULT);
	EXPECT_EQ(bo.write(kSeed, 2).fate, Fate::failed);
	EXPECT_TRUE(bo.verify(kSeed).good()) << "what it holds after half a write is nobody's promise";
}

/* Recorded from 6.12. */
TEST(TtmState, ReadsDebugfs)
{
	EXPECT_EQ(manager_usage("  use_type: 1\n  use_tt: 0\n  size: 4094\n  usage: 16769024\n"
				"0x0000000000000000-0x0000000000000ffd: 4093: free\n"),
		  16769024);
	EXPECT_FALSE(manager_usage("  size: 4094\n")) << "what is not there is not 0";
}

TEST(TtmState, ReadsATree)
{
	TemporaryRoot tree;
	EXPECT_THAT(TtmFiles(tree.root()).missing(), testing::HasSubstr("no driver here uses TTM"));
	tree.write("/sys/kernel/debug/ttm/buffer_objects", "17\n");
	tree.write("/sys/kernel/debug/ttm/page_pool", "\ntotal\t:        5 of    30201\n");
	tree.write("/sys/kernel/debug/ttm/tt_shrink", "1024\n");
	tree.write("/proc/meminfo", "MemTotal:  241608 kB\nShmem:     71234 kB\n");
	tree.write("/sys/kernel/debug/dri/1/qxl_mem_mm", "  usage: 4096\n");
	EXPECT_EQ(vram_manager(tree.root(), 0), "");
	std::string vram = vram_manager(tree.root(), 1);
	EXPECT_TRUE(new_evicts(vram));
	EXPECT_FALSE(new_evicts("/sys/kernel/debug/dri/0/vram-mm"));
	TtmFiles files(tree.root(), vram);
	EXPECT_EQ(files.missing(), "");
	TtmState state = files.read();
	EXPECT_EQ(state.buffer_objects, 17);
	EXPECT_EQ(state.pool_pages, 5);
	EXPECT_EQ(state.shmem_kib, 71234);
	EXPECT_EQ(state.vram_kib, 4);
	EXPECT_EQ(*files.swap_out(), 1024U);
	tree.write("/sys/kernel/debug/ttm/tt_shrink", "-12\n");
	EXPECT_EQ(files.swap_out().error().code, ENOMEM);
}

class TtmLimitsTest : public testing::Test
{
protected:
	void SetUp() override
	{
		tree_.write(kDirectory + "pages_limit", "30201\n");
		tree_.write(kDirectory + "dma32_pages_limit", "60402\n");
		tree_.write(kDirectory + "page_pool_size", "30201\n");
		before_ = tree_.snapshot();
	}
	void TearDown() override
	{
		EXPECT_TRUE(journal_.restore());
		EXPECT_EQ(tree_.snapshot(), before_);
	}

	const std::string kDirectory = "/sys/module/ttm/parameters/";
	TemporaryRoot tree_;
	std::map<std::string, std::string> before_;
	Request request_;
	RestoreJournal journal_ = std::move(*RestoreJournal::create(tree_.path("/run/restore.json")));
	InjectorSeat seat_{request_, tree_.root(), journal_, 0};
};

TEST_F(TtmLimitsTest, TurnsWhatTheScenarioNamesAndNothingElse)
{
	json options = {{"pages_limit", 0}, {"page_pool_size", 64}};
	auto limits = kTtmLimits.create(JsonReader(options, ""), request_);
	ASSERT_TRUE(limits->check(seat_));
	ASSERT_TRUE(limits->arm(seat_));
	EXPECT_EQ(trimmed(tree_.read(kDirectory + "pages_limit")), "0");
	EXPECT_EQ(trimmed(tree_.read(kDirectory + "page_pool_size")), "64");
	EXPECT_EQ(trimmed(tree_.read(kDirectory + "dma32_pages_limit")), "60402");
	EXPECT_EQ(limits->report()["counts"]["pages_limit_before"], 30201);
}

TEST_F(TtmLimitsTest, PhasesGoBetweenWhatWasFoundAndWhatIsWanted)
{
	json options = {{"pages_limit", 201}};
	auto limits = kTtmLimits.create(JsonReader(options, ""), request_);
	seat_.intensity = 0;
	ASSERT_TRUE(limits->arm(seat_));
	EXPECT_EQ(trimmed(tree_.read(kDirectory + "pages_limit")), "30201");
	for (auto [intensity, value] : {std::pair{0.5, "15201"}, {1.0, "201"}, {0.0, "30201"}}) {
		seat_.intensity = intensity;
		ASSERT_TRUE(limits->adjust(seat_));
		EXPECT_EQ(trimmed(tree_.read(kDirectory + "pages_limit")), value);
	}
}

TEST_F(TtmLimitsTest, NoLimitAtAllIsAMistakeAndNoTtmAReason)
{
	json options = json::object();
	EXPECT_THROW(kTtmLimits.create(JsonReader(options, ""), request_), ScenarioError);
	EXPECT_NE(kTtmLimits.unsupported(TemporaryRoot().root()), "");
}

} // namespace
} // namespace drmsqueeze
