/* SPDX-License-Identifier: MIT */
#include "injectors/debugfs_reader.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/process.h"

namespace drmsqueeze
{

namespace
{

/* Of DRM's core, of drivers, of TTM and of dma-buf. Not ttm/ *_shrink: being read they run shrinkers. */
constexpr const char *kPatterns[] = {
	"/sys/kernel/debug/dri/*/clients",
	"/sys/kernel/debug/dri/*/gem_names",
	"/sys/kernel/debug/dri/*/gem",
	"/sys/kernel/debug/dri/*/gems",
	"/sys/kernel/debug/dri/*/framebuffer",
	"/sys/kernel/debug/dri/*/state",
	"/sys/kernel/debug/dri/*/*-mm",
	"/sys/kernel/debug/dri/*/*_mm",
	"/sys/kernel/debug/dri/*/i915_gem_objects",
	"/sys/kernel/debug/dri/*/gpuvas",
	"/sys/kernel/debug/ttm/page_pool",
	"/sys/kernel/debug/ttm/buffer_objects",
	"/sys/kernel/debug/dma_buf/bufinfo",
};

} // namespace

struct DebugfsReader::File {
	std::atomic<int64_t> began_ns; /* of the read that is going on; 0: none */
	std::atomic<bool> is_blocked;  /* ... and it has been counted as such */
	std::atomic<uint64_t> reads;
	std::atomic<uint64_t> errors;
	std::atomic<uint64_t> blocked;
	std::atomic<int64_t> longest_ns;
};

struct DebugfsReader::Shared {
	std::array<File, kMaxFiles> files;
};

std::vector<std::string> DebugfsReader::files(const Root &root)
{
	std::vector<std::string> files;
	for (const char *pattern : kPatterns)
		for (std::string &file : root.glob(pattern))
			if (files.size() < kMaxFiles)
				files.push_back(std::move(file));
	return files;
}

Status DebugfsReader::start(const Root &root, int64_t limit_ns)
{
	paths_ = files(root);
	if (paths_.empty())
		return Error{ENOENT, "read_debugfs: no driver has a file below " + root.path("/sys/kernel/debug")};
	void *memory = shared_memory(sizeof(Shared));
	if (!memory)
		return Error{ENOMEM, "read_debugfs: no shared memory"};
	shared_ = new (memory) Shared();
	auto pid = spawn("drmsq-reader", kFirstOomKilled, [this, limit_ns] { return run(paths_, *shared_, limit_ns); });
	if (!pid)
		return pid.error();
	pid_ = *pid;
	return {};
}

bool DebugfsReader::stop()
{
	constexpr int64_t kLimit = 5 * kNsPerS;
	pid_t pid = std::exchange(pid_, 0);
	return pid == 0 || kill_and_reap(pid, kLimit);
}

/** The process's first thread: looks at the clocks of the others. */
int DebugfsReader::run(const std::vector<std::string> &paths, Shared &shared, int64_t limit_ns)
{
	constexpr int64_t kPoll = 20 * kNsPerMs;
	unsigned threads = 0;
	auto start_thread = [&] {
		threads++;
		std::thread([&paths, &shared] { read_files(paths, shared); }).detach();
	};
	for (start_thread();; sleep_ns(kPoll))
		for (size_t i = 0; i < paths.size(); i++) {
			File &file = shared.files[i];
			int64_t began = file.began_ns.load();
			if (began == 0 || now_ns() - began < limit_ns || file.is_blocked.exchange(true))
				continue;
			file.blocked.fetch_add(1);
			if (threads < kMaxThreads)
				start_thread(); /* for the files that do not block */
		}
}

void DebugfsReader::read_files(const std::vector<std::string> &paths, Shared &shared)
{
	constexpr int64_t kPause = kNsPerMs;
	for (;; sleep_ns(kPause))
		for (size_t i = 0; i < paths.size(); i++) {
			File &file = shared.files[i];
			int64_t nobody = 0;
			int64_t begin = now_ns();
			if (!file.began_ns.compare_exchange_strong(nobody, begin))
				continue; /* somebody is at it, and blocked perhaps */
			auto text = Root().read(paths[i]);
			int64_t took = now_ns() - begin;
			file.reads.fetch_add(1);
			file.errors.fetch_add(text ? 0 : 1);
			if (took > file.longest_ns.load())
				file.longest_ns.store(took);
			file.is_blocked.store(false);
			file.began_ns.store(0);
		}
}

uint64_t DebugfsReader::blocked() const
{
	uint64_t sum = 0;
	for (size_t i = 0; i < paths_.size(); i++)
		sum += shared_->files[i].blocked.load();
	return sum;
}

uint64_t DebugfsReader::reads() const
{
	uint64_t sum = 0;
	for (size_t i = 0; i < paths_.size(); i++)
		sum += shared_->files[i].reads.load();
	return sum;
}

nlohmann::json DebugfsReader::table() const
{
	auto rows = nlohmann::json::array();
	for (size_t i = 0; i < paths_.size(); i++) {
		const File &file = shared_->files[i];
		/* A read that never came back is as long as it has lasted. */
		int64_t began = file.began_ns.load();
		int64_t longest = std::max(file.longest_ns.load(), file.is_blocked && began ? now_ns() - began : 0);
		rows.push_back({paths_[i], file.reads.load(), file.errors.load(), file.blocked.load(),
				static_cast<double>(longest) / kNsPerMs});
	}
	return {{"title", "Reading of debugfs files meanwhile"},
		{"columns", {"file", "reads", "errors", "blocked", "longest, ms"}},
		{"rows", rows}};
}

} // namespace drmsqueeze
