/* SPDX-License-Identifier: MIT */
/* What of the agent only machines need that share no memory with the harness. */
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/console_teller.h"
#include "agent/detectors.h"
#include "agent/hardware_watchdog.h"
#include "agent/record_sender.h"
#include "agent/recorder.h"
#include "agent/ring_host.h"
#include "agent/ring_source.h"
#include "local_ring.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

/** More than the kernel gives (PID_MAX_LIMIT). */
constexpr pid_t kNobody = (4 << 20) + 1;

class BoardRing : public testing::Test
{
protected:
	void SetUp() override
	{
		ASSERT_TRUE(RingHost::lay_out(file_, R"({"seed": 1})", 1 << 21));
		auto memory = map_ring(file_);
		ASSERT_TRUE(memory);
		auto attached = Recorder::attach(memory->base, memory->bytes);
		ASSERT_TRUE(attached);
		recorder_.emplace(*attached);
	}
	void put(int64_t number) { recorder_->put({.kind = Kind::beat, .a = number}); }

	TemporaryRoot tree_;
	std::string file_ = tree_.path("/ring");
	std::optional<Recorder> recorder_;
};

TEST_F(BoardRing, HoldsTheRequestAndIsNeverMadeTwice)
{
	EXPECT_EQ(recorder_->request(), R"({"seed": 1})");
	EXPECT_EQ(RingHost::lay_out(file_, "{}", 1 << 21).error().code, EEXIST);
	EXPECT_EQ(RingHost::lay_out(tree_.path("/other"), std::string(1 << 20, ' '), 1 << 21).error().code, E2BIG);
}

TEST_F(BoardRing, IsReadInOrderFromWhereOneLikes)
{
	auto ring = RingHost::open(file_);
	ASSERT_TRUE(ring);
	Record record;
	EXPECT_FALSE(ring->take(record));
	for (int i = 1; i <= 3; i++)
		put(i);
	ring->go_to(2);
	ASSERT_TRUE(ring->take(record));
	EXPECT_EQ(record.a, 2);
	ASSERT_TRUE(ring->take(record));
	EXPECT_FALSE(ring->take(record));
	ring->consume(2);
	ring->consume(1);
	EXPECT_EQ(ring->consumed(), 2U);
	EXPECT_EQ(RingHost::open(file_)->consumed(), 2U);
}

TEST(RingHost, PassesOverWhatWasOverwrittenAndWaitsForAHole)
{
	LocalRing memory(4);
	Recorder recorder = memory.recorder();
	for (int64_t i = 1; i <= 3; i++)
		recorder.put({.kind = Kind::beat, .a = i});
	auto ring = RingHost::attach(&memory.header(), memory.bytes());
	ASSERT_TRUE(ring);
	ring->consume(3);
	for (int64_t i = 4; i <= 6; i++)
		recorder.put({.kind = Kind::beat, .a = i});
	Record record;
	ring->go_to(1);
	ASSERT_TRUE(ring->take(record));
	EXPECT_EQ(record.a, 3) << "1 and 2 are gone";
	const_cast<uint64_t &>(memory.slot(3).seq) = 0; /* claimed, not published */
	EXPECT_FALSE(ring->take(record));
}

/** All that the sender writes when it is sent @acknowledged and then the end of its input. */
std::string sent(const std::string &file, uint64_t from, const std::vector<uint64_t> &acknowledged)
{
	int in[2];
	int out[2];
	EXPECT_EQ(pipe(in), 0);
	EXPECT_EQ(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		close(in[1]);
		_exit(send_records(file, from, getppid(), in[0], out[1]));
	}
	close(in[0]);
	close(out[1]);
	std::string text;
	char piece[sizeof(Record)];
	if (read(out[0], piece, sizeof(piece)) == sizeof(piece))
		text.append(piece, sizeof(piece));
	EXPECT_EQ(write(in[1], acknowledged.data(), acknowledged.size() * sizeof(uint64_t)),
		  static_cast<ssize_t>(acknowledged.size() * sizeof(uint64_t)));
	close(in[1]);
	for (ssize_t got = 0; (got = read(out[0], piece, sizeof(piece))) > 0;)
		text.append(piece, static_cast<size_t>(got));
	close(out[0]);
	waitpid(child, nullptr, 0);
	return text;
}

TEST_F(BoardRing, IsSentAsItLiesThereAndGivesRoomForWhatWasAcknowledged)
{
	for (int i = 1; i <= 3; i++)
		put(i);
	std::string text = sent(file_, 2, {2});
	ASSERT_EQ(text.size(), 2 * sizeof(Record));
	EXPECT_EQ(reinterpret_cast<const Record *>(text.data())->seq, 2U);
	EXPECT_EQ(RingHost::open(file_)->consumed(), 2U);
	EXPECT_FALSE(recorder_->stop_wanted());
	sent(file_, 3, {kStopWanted});
	EXPECT_TRUE(recorder_->stop_wanted());
}

TEST(ConsoleTeller, TellsARecordOnALine)
{
	Record record{};
	record.seq = 1;
	record.kind = 8;
	/* base64.b64encode(r + zlib.crc32((77).to_bytes(4, "little") + r).to_bytes(4, "little")) */
	EXPECT_STREQ(told(record, 77).data(), "\ndrmsqueeze-record: AQAAAAAAAAAAAAAAAAAAAAhYRUmU\n");
	memset(record.text, 0xff, sizeof(record.text));
	EXPECT_EQ(strlen(told(record, 77).data()), 20U + 132 / 3 * 4 + 1) << "all of it";
}

TEST_F(BoardRing, IsToldOnTheConsoleOnlyWhereNobodyTakesIt)
{
	std::string console = tree_.path("/console");
	tree_.write("/console", "");
	put(1);
	pid_t agent = fork();
	if (agent == 0) {
		pause();
		_exit(0);
	}
	std::jthread harness([&](const std::stop_token &stop) {
		auto ring = RingHost::open(file_);
		for (int i = 2; !stop.stop_requested(); i++) {
			std::this_thread::sleep_for(std::chrono::milliseconds(20));
			put(i);
			ring->consume(ring->claimed());
		}
		kill(agent, SIGKILL);
		waitpid(agent, nullptr, 0);
	});
	std::this_thread::sleep_for(std::chrono::milliseconds(300));
	harness.request_stop();
	EXPECT_EQ(tell_records(file_, console, 10 * kNsPerS, agent), 0);
	harness.join();
	EXPECT_EQ(tree_.read("/console"), "");
	put(1000);
	EXPECT_EQ(tell_records(file_, console, 1, agent), 0);
	EXPECT_THAT(tree_.read("/console"), testing::StartsWith("\ndrmsqueeze-record: "));
	EXPECT_LT(RingHost::open(file_)->consumed(), RingHost::open(file_)->claimed())
		<< "it stays for those who can take it by another way";
}

TEST_F(BoardRing, IsToldAgainForWhatIsLostOnTheWay)
{
	std::string console = tree_.path("/console");
	tree_.write("/console", "");
	for (int i = 1; i <= 100; i++)
		put(i);
	EXPECT_EQ(tell_records(file_, console, 1, kNobody), 0);
	std::map<std::string, int> lines;
	std::istringstream all(tree_.read("/console"));
	for (std::string line; std::getline(all, line);)
		if (!line.empty())
			lines[line]++;
	EXPECT_EQ(lines.size(), 100U);
	for (const auto &[line, times] : lines)
		EXPECT_EQ(times, 22) << line;
}

TEST_F(BoardRing, IsToldNoMoreOnceItsFileIsRemoved)
{
	std::string console = tree_.path("/console");
	tree_.write("/console", "");
	put(1);
	std::jthread harness([&] {
		std::this_thread::sleep_for(std::chrono::milliseconds(200));
		unlink(file_.c_str());
	});
	EXPECT_EQ(tell_records(file_, console, 3600 * kNsPerS, kNobody), 0);
	EXPECT_EQ(tree_.read("/console"), "");
}

TEST_F(BoardRing, HasNoRoomForJobsWhereNobodyTakesTheirRecords)
{
	auto ring = RingHost::open(file_);
	uint64_t room = ring->capacity() - ring->capacity() / 4;
	for (uint64_t i = 1; i < room; i++)
		put(1);
	EXPECT_TRUE(recorder_->has_room());
	put(1);
	EXPECT_FALSE(recorder_->has_room());
	ring->consume(1);
	EXPECT_TRUE(recorder_->has_room());
}

TEST(Watchdog, IsNotArmedWhereItCannotBeDisarmed)
{
	TemporaryRoot tree;
	tree.write("/dev/watchdog", "");
	tree.write("/sys/class/watchdog/watchdog0/nowayout", "1\n");
	auto refused = HardwareWatchdog::arm(tree.root(), "/dev/watchdog", 60);
	ASSERT_FALSE(refused);
	EXPECT_EQ(refused.error().code, ENOTSUP);
	EXPECT_EQ(tree.read("/dev/watchdog"), "") << "not even opened";
	tree.write("/sys/class/watchdog/watchdog0/nowayout", "0\n");
	EXPECT_FALSE(HardwareWatchdog::arm(tree.root(), "/dev/watchdog", 60))
		<< "a plain file does not say when it bites";
}

TEST(Detectors, AreTurnedByNameAndPutBack)
{
	TemporaryRoot tree;
	tree.write("/proc/sys/kernel/hung_task_timeout_secs", "120\n");
	auto journal = RestoreJournal::create(tree.path("/run/restore.json"));
	ASSERT_TRUE(journal);
	EXPECT_TRUE(set_detectors(tree.root(), {{"hung_task", 7}, {"watchdog", 9}}, *journal))
		<< "what is not there is passed over";
	EXPECT_EQ(tree.read("/proc/sys/kernel/hung_task_timeout_secs"), "7");
	EXPECT_TRUE(journal->restore());
	EXPECT_EQ(tree.read("/proc/sys/kernel/hung_task_timeout_secs"), "120");
}

TEST(JournalOfAnEarlierBoot, WantsNothingOfWhatIsGoneAndPutsBackWhatIsThere)
{
	TemporaryRoot tree;
	tree.write("/knob", "boot\n");
	nlohmann::json journal{
		{"schema", "drmsqueeze.restore/1"},
		{"boot_id", "another"},
		{"knobs",
		 {{{"path", tree.path("/knob")}, {"saved", "owner's"}},
		  {{"path", tree.path("/gone")}, {"saved", "1"}},
		  {{"path", "/proc"}, {"marked_before", nlohmann::json::array()}}}},
		{"cgroups", {{{"path", tree.path("/cgroup")}, {"control", tree.path("/none")}, {"saved", ""}}}}};
	auto load = [&](std::vector<std::string> &lost) {
		tree.write("/restore.json", journal.dump());
		return RestoreJournal::load(tree.path("/restore.json"), lost);
	};
	std::vector<std::string> lost;
	auto loaded = load(lost);
	ASSERT_TRUE(loaded);
	EXPECT_TRUE(lost.empty());
	EXPECT_TRUE(loaded->restore());
	EXPECT_EQ(tree.read("/knob"), "owner's");
	EXPECT_FALSE(std::filesystem::exists(tree.path("/restore.json")));

	journal["boot_id"] = trimmed(*Root().read("/proc/sys/kernel/random/boot_id"));
	loaded = load(lost);
	EXPECT_EQ(lost.size(), 1U) << "in the boot of the run a knob that is gone is a knob that is not restored";
}

} // namespace
} // namespace drmsqueeze
