/* SPDX-License-Identifier: MIT */
/*
 * drmsqueeze-bench: what recording costs. The rate of tiler-heap's submit-and-wait, records and all, over that of a
 * bare loop with the same ioctls, status query and readback, in the same process and guest. The heap is small and kept,
 * so that submitting is most of the work. Short blocks of both alternate in random order, so that whatever else the
 * machine does hits both; the ratio is that of the median blocks. Prints one line of JSON: {"schema", "blocks",
 * "jobs_per_block", "tiler_heap_hz", "bare_hz", "ratio", "pair_ratio_p25", "pair_ratio_p75", "completed"}.
 */
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>

#include "agent/clock.h"
#include "agent/job_table.h"
#include "stressors/heap_submitter.h"

namespace
{

using namespace drmsqueeze;

constexpr uint64_t kHeapBytes = 2UL << 20;
constexpr uint64_t kSeed = 1;
/* Rings are drained by the host; here by nobody, so this one is large enough for a block. */
constexpr uint64_t kRecordsPerJob = 3;

struct Options {
	std::string driver = "panfrost";
	unsigned blocks = 2000;
	unsigned jobs = 4;
};

/** A ring in private memory whose reader has always caught up. */
class LocalRing
{
public:
	explicit LocalRing(uint64_t records) : bytes_(sizeof(RingHeader) + records * sizeof(Record))
	{
		header_ = static_cast<RingHeader *>(shared_memory(bytes_));
		memcpy(header_->magic, kRingMagic, sizeof(kRingMagic));
		header_->version = kRingVersion;
		header_->record_size = sizeof(Record);
		header_->records_offset = sizeof(RingHeader);
		header_->capacity = records;
	}

	Recorder recorder() const { return *Recorder::attach(header_, bytes_); }
	void drain() { header_->consumed = header_->claimed; }

private:
	uint64_t bytes_;
	RingHeader *header_ = nullptr;
};

/* Everything that a job needs of the kernel, and nothing that is ours. */
Status bare_job(JobSlot &slot, Memory &heap, const HeapPattern &pattern, std::vector<GpuWrite> &writes, uint64_t job)
{
	pattern.fill(writes, heap.address(), 0, kSeed, job);
	slot.describe(writes);
	if (int error = slot.submit(heap))
		return Error{error, "submit"};
	constexpr int64_t kFarAway = 10 * kNsPerS; /* with an end, as ours: the kernel sets a timer for it */
	if (int error = slot.wait(now_ns() + kFarAway))
		return Error{error, "wait"};
	auto fence = slot.fence_error();
	if (!fence)
		return fence.error();
	auto wrong = slot.first_wrong(heap, writes);
	if (!wrong)
		return wrong.error();
	return *fence == 0 && *wrong == pattern.count() ? Status() : Status(Error{EIO, "the bare job failed"});
}

double hz(unsigned jobs, int64_t ns)
{
	return jobs * static_cast<double>(kNsPerS) / static_cast<double>(ns);
}

double quantile(std::vector<double> values, double share)
{
	std::sort(values.begin(), values.end());
	return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

/** Both loops on one open device, each with a heap and a slot of its own. */
class Bench
{
public:
	static Result<nlohmann::json> run(const Options &options)
	{
		const Driver *driver = find_driver(options.driver);
		if (!driver)
			return Error{ENOTSUP, "unknown driver " + options.driver};
		auto context = driver->open();
		if (!context)
			return context.error();
		HeapPattern pattern{kHeapBytes, kHeapBytes};
		auto heap = (*context)->create_heap({.bytes = kHeapBytes});
		auto slot = (*context)->create_slot(pattern.count());
		if (!heap || !slot)
			return heap ? slot.error() : heap.error();

		LocalRing ring(options.jobs * kRecordsPerJob);
		Control *control = make_control();
		auto table = JobTable::create(1, control, ring.recorder());
		if (!table)
			return table.error();
		control->phase.store(Phase::run);
		Request request;
		request.seed = kSeed;
		request.deadline_ns = 3600 * kNsPerS;
		ClientSeat seat{request, *driver, ring.recorder(), *control, *table, 0, 0, 0};
		TilerHeapOptions shape;
		shape.pattern = pattern;
		shape.shape.bytes = kHeapBytes;
		shape.jobs = options.jobs;
		shape.heap = HeapKind::persistent;
		auto our_heap = (*context)->create_heap({.bytes = kHeapBytes});
		if (!our_heap)
			return our_heap.error();
		HeapSubmitter loop(shape, seat, **context, our_heap->get(), 0);
		if (Status status = loop.set_up(); !status)
			return status.error();

		std::vector<GpuWrite> writes;
		uint64_t job = 0;
		std::vector<double> bare;
		std::vector<double> ours;
		std::vector<double> ratios;
		std::minstd_rand coin(kSeed);
		for (unsigned block = 0; block <= options.blocks; block++) {
			double block_bare = 0;
			double block_ours = 0;
			bool bare_first = coin() % 2;
			for (bool is_bare : {bare_first, !bare_first}) {
				int64_t begin = now_ns();
				if (!is_bare)
					loop.run();
				for (unsigned i = 0; is_bare && i < options.jobs; i++)
					if (Status status = bare_job(**slot, **heap, pattern, writes, ++job); !status)
						return status.error();
				(is_bare ? block_bare : block_ours) = hz(options.jobs, now_ns() - begin);
				ring.drain();
			}
			if (block == 0) /* first faults, cold caches */
				continue;
			bare.push_back(block_bare);
			ours.push_back(block_ours);
			ratios.push_back(block_ours / block_bare);
		}
		double ours_hz = quantile(ours, 0.5);
		double bare_hz = quantile(bare, 0.5);
		return nlohmann::json{{"schema", "drmsqueeze.bench/1"},
				      {"blocks", options.blocks},
				      {"jobs_per_block", options.jobs},
				      {"tiler_heap_hz", ours_hz},
				      {"bare_hz", bare_hz},
				      {"ratio", ours_hz / bare_hz},
				      {"pair_ratio_p25", quantile(ratios, 0.25)},
				      {"pair_ratio_p75", quantile(ratios, 0.75)},
				      {"completed", control->jobs_ended.load()}};
	}
};

} // namespace

int main(int argc, char **argv)
{
	Options options;
	CLI::App app("What recording costs: tiler-heap's submit-and-wait rate over that of a bare loop.");
	app.add_option("--driver", options.driver)->capture_default_str();
	app.add_option("--blocks", options.blocks)->capture_default_str()->check(CLI::Range(1, 10000));
	app.add_option("--jobs", options.jobs, "jobs of each loop in a block")
		->capture_default_str()
		->check(CLI::Range(1, 1000000));
	CLI11_PARSE(app, argc, argv);
	auto result = Bench::run(options);
	if (!result) {
		fmt::print(stderr, "drmsqueeze-bench: {}\n", result.error().reason);
		return 3;
	}
	fmt::print("{}\n", result->dump());
	return 0;
}
