/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>
#include <thread>

#include "agent/file_sender.h"
#include "agent/ring_source.h"
#include "local_ring.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

TEST(Ring, RecordHoldsWhatWasPut)
{
	LocalRing ring(4);
	ring.recorder().put({.kind = Kind::end,
			     .code = 3,
			     .client = 5,
			     .job = 6,
			     .a = -7,
			     .b = 8,
			     .c = 9,
			     .text = "why",
			     .t_ns = 10});
	const Record &record = ring.slot(0);
	EXPECT_EQ(record.seq, 1U);
	EXPECT_EQ(record.t_ns, 10U);
	EXPECT_EQ(record.kind, 4U);
	EXPECT_EQ(record.code, 3U);
	EXPECT_EQ(record.client, 5U);
	EXPECT_EQ(record.job, 6U);
	EXPECT_EQ(record.a, -7);
	EXPECT_EQ(record.b, 8);
	EXPECT_EQ(record.c, 9);
	EXPECT_STREQ(record.text, "why");
}

TEST(Ring, LongTextIsCutAndShortTextLeavesNothingBehind)
{
	LocalRing ring(1);
	Recorder recorder = ring.recorder();
	recorder.put({.kind = Kind::bye, .text = std::string(100, 'x')});
	EXPECT_EQ(std::string(ring.slot(0).text, sizeof(Record::text)), std::string(72, 'x'));
	ring.read();
	recorder.put({.kind = Kind::bye, .text = "y"});
	EXPECT_EQ(std::string(ring.slot(0).text, sizeof(Record::text)), "y" + std::string(71, '\0'));
}

TEST(Ring, WrapsAround)
{
	LocalRing ring(3);
	Recorder recorder = ring.recorder();
	for (int64_t i = 1; i <= 8; i++) {
		recorder.put({.kind = Kind::beat, .a = i});
		auto records = ring.read();
		ASSERT_EQ(records.size(), 1U);
		EXPECT_EQ(records[0].a, i);
		EXPECT_EQ(records[0].seq, static_cast<uint64_t>(i));
	}
	EXPECT_EQ(ring.slot(0).seq, 7U);
	EXPECT_EQ(ring.slot(1).seq, 8U);
	EXPECT_EQ(ring.slot(2).seq, 6U);
}

TEST(Ring, WriterWaitsForTheHostAndOverwritesNothing)
{
	LocalRing ring(2);
	Recorder recorder = ring.recorder();
	std::thread writer([&] {
		for (int64_t i = 1; i <= 3; i++)
			recorder.put({.kind = Kind::beat, .a = i});
	});
	while (std::atomic_ref(ring.header().claimed).load() < 3)
		std::this_thread::yield();
	/* The third has its number, and its slot still holds the first: read() sees all three, in order. */
	EXPECT_EQ(ring.slot(0).a, 1);
	std::vector<Record> records;
	while (records.size() < 3)
		for (const Record &record : ring.read())
			records.push_back(record);
	writer.join();
	for (int64_t i = 1; i <= 3; i++)
		EXPECT_EQ(records[static_cast<size_t>(i - 1)].a, i);
}

TEST(Ring, ConcurrentWritersLoseNothing)
{
	constexpr int kWriters = 4;
	constexpr int64_t kEach = 2000;
	LocalRing ring(64);
	Recorder recorder = ring.recorder();
	std::vector<std::thread> writers;
	for (uint32_t w = 0; w < kWriters; w++)
		writers.emplace_back([&recorder, w] {
			for (int64_t i = 0; i < kEach; i++)
				recorder.put({.kind = Kind::sample, .client = w, .a = i, .b = -i, .c = i * 3});
		});
	int64_t next[kWriters] = {};
	for (int64_t seen = 0; seen < kWriters * kEach;)
		for (const Record &record : ring.read()) {
			ASSERT_LT(record.client, static_cast<uint32_t>(kWriters));
			EXPECT_EQ(record.a, next[record.client]++);
			EXPECT_EQ(record.b, -record.a);
			EXPECT_EQ(record.c, record.a * 3);
			seen++;
		}
	for (auto &writer : writers)
		writer.join();
}

TEST(Ring, ClaimedButUnpublishedRecordStopsTheReader)
{
	LocalRing ring(4);
	Recorder recorder = ring.recorder();
	recorder.put({.kind = Kind::beat, .a = 1});
	ring.header().claimed++; /* a writer that was killed here */
	recorder.put({.kind = Kind::beat, .a = 3});
	EXPECT_EQ(ring.read().size(), 1U);
	EXPECT_EQ(ring.slot(1).seq, 0U);
	EXPECT_EQ(ring.slot(2).seq, 3U);
}

TEST(Ring, HeaderThatIsNotOursIsRefused)
{
	LocalRing ring(4);
	ASSERT_TRUE(ring.attach());
	ring.header().version = 2;
	EXPECT_EQ(ring.attach().error().code, EPROTO);
	ring.header().version = kRingVersion;
	ring.header().capacity = 1 << 30;
	EXPECT_EQ(ring.attach().error().code, EPROTO);
	ring.header().capacity = UINT64_MAX;
	EXPECT_EQ(ring.attach().error().code, EPROTO);
	ring.header().capacity = 4;
	ring.header().request_offset = ring.bytes() - 1;
	ring.header().request_size = 2;
	EXPECT_EQ(ring.attach().error().code, EPROTO);
}

TEST(Ring, RequestAndStop)
{
	LocalRing ring(1, "{\"schema\":1}");
	Recorder recorder = ring.recorder();
	EXPECT_EQ(recorder.request(), "{\"schema\":1}");
	EXPECT_FALSE(recorder.stop_wanted());
	ring.header().stop = 1;
	EXPECT_TRUE(recorder.stop_wanted());
}

TEST(Ring, FilesComeInChunksUnderOneNumber)
{
	LocalRing ring(8);
	Control control{};
	std::string content(150, 'a');
	content[149] = 'z';
	send_file(ring.recorder(), control, "one.txt", "");
	send_file(ring.recorder(), control, "two.txt", content);
	auto records = ring.read();
	ASSERT_EQ(records.size(), 5U);
	EXPECT_EQ(records[0].job, 1U);
	EXPECT_EQ(records[1].job, 2U);
	EXPECT_EQ(records[1].a, -1);
	EXPECT_STREQ(records[1].text, "two.txt");
	std::string got;
	for (size_t i = 2; i < 5; i++) {
		EXPECT_EQ(records[i].a, static_cast<int64_t>(got.size()));
		got.append(records[i].text, static_cast<size_t>(records[i].b));
	}
	EXPECT_EQ(got, content);
}

TEST(RingSource, FindsTheDeviceByItsPciId)
{
	TemporaryRoot tree;
	tree.write("/sys/bus/pci/devices/0000:00:01.0/vendor", "0x8086\n");
	tree.write("/sys/bus/pci/devices/0000:00:01.0/device", "0x1110\n");
	EXPECT_EQ(find_ivshmem(tree.root()).error().code, ENODEV);
	tree.write("/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n");
	tree.write("/sys/bus/pci/devices/0000:00:04.0/device", "0x1110\n");
	EXPECT_EQ(*find_ivshmem(tree.root()), tree.path("/sys/bus/pci/devices/0000:00:04.0/resource2"));
}

} // namespace
} // namespace drmsqueeze
