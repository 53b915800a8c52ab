/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>

#include "agent/kernel_log.h"
#include "agent/sampler.h"
#include "local_ring.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

TEST(KernelLog, ParsesARecord)
{
	LogRecord record{};
	ASSERT_TRUE(parse_log_record("3,258,7193073,-;panfrost mali-jm: gpu sched timeout, js=1\n SUBSYSTEM=platform\n",
				     record));
	EXPECT_EQ(record.seq, 258U);
	EXPECT_EQ(record.t_ns, 7193073000);
	EXPECT_EQ(record.text, "panfrost mali-jm: gpu sched timeout, js=1");
}

TEST(KernelLog, RefusesWhatIsNone)
{
	LogRecord record{};
	for (const char *line :
	     {"", "3", "3,258", "3,258,71", "3,x,71,-;text", " SUBSYSTEM=platform", "3,1,2,- no text"})
		EXPECT_FALSE(parse_log_record(line, record)) << line;
}

TEST(Sampler, RecordsOfOneSamplingShareTheirTime)
{
	TemporaryRoot tree;
	tree.write("/proc/meminfo",
		   "MemTotal: 242620 kB\nMemFree: 1000 kB\nMemAvailable:   2000 kB\nSwapFree: 3 kB\nShmem: 4 kB\n");
	tree.write("/proc/vmstat", "nr_free_pages 5\nallocstall_dma 1\nallocstall_dma32 2\nallocstall_normal 3\n"
				   "allocstall_movable 4\npgscan_direct_throttle 99\npgscan_direct 6\noom_kill 1\n");
	tree.write("/proc/pressure/memory", "some avg10=1.25 avg60=0.30 avg300=0.00 total=1234\n"
					    "full avg10=0.50 avg60=0.10 avg300=0.00 total=56\n");
	LocalRing ring(64);
	Sampler::open(tree.root()).sample(ring.recorder());
	std::map<std::string, int64_t> values;
	std::set<uint64_t> times;
	for (const Record &record : ring.read()) {
		values[record.text] = record.a;
		times.insert(record.t_ns);
	}
	std::map<std::string, int64_t> expected = {
		{"mem_available_kib", 2000}, {"mem_free_kib", 1000},
		{"swap_free_kib", 3},        {"shmem_kib", 4},
		{"pgscan_direct", 6},        {"oom_kill", 1},
		{"allocstall", 10},          {"psi_some_avg10", 125},
		{"psi_full_avg10", 50},      {"psi_some_total_us", 1234},
	};
	EXPECT_EQ(values, expected);
	EXPECT_EQ(times.size(), 1U);
}

TEST(Sampler, MissingFilesLeaveOutTheirSamples)
{
	TemporaryRoot tree;
	LocalRing ring(64);
	Sampler::open(tree.root()).sample(ring.recorder());
	EXPECT_TRUE(ring.read().empty());
}

} // namespace
} // namespace drmsqueeze
