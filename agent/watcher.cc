/* SPDX-License-Identifier: MIT */
#include "agent/watcher.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/blocked_tasks.h"
#include "agent/clock.h"
#include "agent/expendable.h"
#include "agent/file_sender.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

/* taint_flags of kernel/panic.c, Linux 6.12; bit 0 is P where it is set. */
constexpr std::string_view kTaintLetters = "PFSRMBUDAWCIOELKXTN";

constexpr uint64_t kCoredumpBytes = 1024 * 1024; /* of the ring's 15 MiB */
constexpr unsigned kCoredumpsKept = 4;
constexpr int64_t kShortestPeriod = 250 * kNsPerMs;
constexpr int64_t kLongestPeriod = 2 * kNsPerS;

/** Calls @look every @period_ns, and once more when the run is through. */
void look_until_the_end(Control &control, int64_t period_ns, const std::function<void()> &look)
{
	constexpr int64_t kSlice = 20 * kNsPerMs;
	for (bool last = false; !last;) {
		last = control.last_look_wanted.load() != 0;
		look();
		for (int64_t begin = now_ns();
		     !last && now_ns() - begin < period_ns && control.last_look_wanted.load() == 0;)
			sleep_ns(kSlice);
	}
	control.last_looks.fetch_add(1);
}

void report_blocked(const LongBlocked &task, const Recorder &recorder, Control &control)
{
	int64_t blocked_ms = (now_ns() - task.since_ns) / kNsPerMs;
	recorder.put({.kind = Kind::witness, .a = task.tid, .b = blocked_ms, .text = "d-state " + task.comm});
	FileSender(recorder, control, fmt::format("evidence/d-state-{}.txt", task.tid))
		.append(fmt::format("{} ({}) D, for {} ms at {:.3f} s\n{}\n", task.tid, task.comm, blocked_ms,
				    static_cast<double>(now_ns()) / kNsPerS, task.stack));
}

void watch_taint(const Root &root, const Recorder &recorder, uint64_t &known)
{
	uint64_t taint = taint_of(root);
	if (uint64_t more = taint & ~known)
		recorder.put({.kind = Kind::witness,
			      .a = static_cast<int64_t>(more),
			      .text = "taint " + taint_letters(more)});
	known |= taint;
}

} // namespace

std::string taint_letters(uint64_t bits)
{
	std::string letters;
	for (unsigned bit = 0; bit < 64; bit++)
		if (bits >> bit & 1)
			letters += bit < kTaintLetters.size() ? std::string(1, kTaintLetters[bit])
							      : fmt::format("#{}", bit);
	return letters;
}

uint64_t taint_of(const Root &root)
{
	auto taint = root.number("/proc/sys/kernel/tainted");
	return taint ? *taint : 0;
}

void collect_coredumps(const Root &root, const Recorder &recorder, Control &control, std::set<std::string> &seen)
{
	std::error_code error;
	for (const auto &entry : std::filesystem::directory_iterator(root.path("/sys/class/devcoredump"), error)) {
		std::string name = entry.path().filename().string();
		if (!name.starts_with("devcd") || seen.contains(name)) /* "disabled" is the class's own */
			continue;
		UniqueFd fd(open((entry.path() / "data").c_str(), O_RDWR | O_CLOEXEC));
		if (!fd.valid())
			continue;
		seen.insert(name);
		std::error_code none;
		auto driver = std::filesystem::read_symlink(entry.path() / "failing_device" / "driver", none);
		recorder.put({.kind = Kind::witness,
			      .text = fmt::format("devcoredump {} {}", name, driver.filename().string())});
		if (seen.size() > kCoredumpsKept)
			continue;
		FileSender sender(recorder, control, fmt::format("evidence/devcoredump-{}.bin", name));
		char chunk[4096];
		for (ssize_t got; sender.bytes() < kCoredumpBytes && (got = read(fd.get(), chunk, sizeof(chunk))) > 0;)
			sender.append({chunk, static_cast<size_t>(got)});
		/* devcd_data_write(): any write frees it, by a work item. */
		if (write(fd.get(), "1", 1) != 1)
			recorder.put({.kind = Kind::witness, .a = errno, .text = "evidence-incomplete " + name});
	}
}

int run_watcher(const Root &root, const Recorder &recorder, Control &control, int64_t blocked_limit_ns)
{
	mlockall(MCL_CURRENT | MCL_FUTURE);
	int64_t period = std::clamp(blocked_limit_ns / 8, kShortestPeriod, kLongestPeriod);
	uint64_t taint = taint_of(root);
	/* A thread of its own: a dump is read while its driver may be stuck. */
	Status status = start_thread([&] {
		std::set<std::string> seen;
		look_until_the_end(control, kShortestPeriod, [&] { collect_coredumps(root, recorder, control, seen); });
	});
	if (!status)
		recorder.put(
			{.kind = Kind::witness, .a = status.error().code, .text = "evidence-incomplete devcoredump"});
	BlockedTasks tasks(root, blocked_limit_ns);
	look_until_the_end(control, period, [&] {
		tasks.look(now_ns(), [&](const LongBlocked &task) { report_blocked(task, recorder, control); });
		watch_taint(root, recorder, taint);
	});
	/* The other's stack is in use until the supervisor, and we with it, are through. */
	while (control.finished.load() == 0)
		sleep_ns(kShortestPeriod);
	return 0;
}

} // namespace drmsqueeze
