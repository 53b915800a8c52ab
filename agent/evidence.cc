/* SPDX-License-Identifier: MIT */
#include "agent/evidence.h"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <sys/mman.h>

#include "agent/clock.h"
#include "agent/file_sender.h"

namespace drmsqueeze
{

namespace
{

struct Source {
	const char *path;
	const char *name; /* in the run directory */
};

/* Those that take no lock first; drivers' and reservations' locks last (dma_buf_debug_show takes every one). */
constexpr Source kSources[] = {
	{"/proc/meminfo", "evidence/meminfo.txt"},
	{"/proc/vmstat", "evidence/vmstat.txt"},
	{"/proc/pressure/memory", "evidence/pressure-memory.txt"},
	{"/proc/buddyinfo", "evidence/buddyinfo.txt"},
	{"/proc/interrupts", "evidence/interrupts.txt"},
	{"/sys/kernel/debug/drmsqueeze/who_waits", "evidence/who-waits.txt"},
	{"/sys/kernel/debug/sync/info", "evidence/sync-info.txt"},
	{"/sys/kernel/debug/dma_buf/bufinfo", "evidence/dma-buf-bufinfo.txt"},
};

/* /proc/PID/stat: "PID (COMM) STATE ..."; COMM may hold anything but NUL. */
char state_of(const std::string &stat)
{
	size_t end = stat.rfind(')');
	return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

bool is_idle_kworker(const std::string &stack)
{
	/* An idle one sleeps in worker_thread itself; a busy one has its work's functions above. */
	return stack.find("worker_thread") < stack.find('\n');
}

} // namespace

std::string collect_stacks(const Root &root, const Recorder *recorder)
{
	std::string all;
	std::error_code error;
	for (const auto &process : std::filesystem::directory_iterator(root.path("/proc"), error)) {
		std::string pid = process.path().filename().string();
		if (pid.find_first_not_of("0123456789") != std::string::npos)
			continue;
		std::error_code gone;
		for (const auto &task : std::filesystem::directory_iterator(process.path() / "task", gone)) {
			std::string tid = task.path().filename().string();
			std::string directory = fmt::format("/proc/{}/task/{}", pid, tid);
			auto stat = root.read(directory + "/stat");
			auto comm = root.read(directory + "/comm");
			if (!stat || !comm)
				continue;
			bool blocked = state_of(*stat) == 'D';
			bool kworker = comm->starts_with("kworker/");
			if (!blocked && !kworker && !comm->starts_with("irq/"))
				continue;
			auto stack = root.read(directory + "/stack");
			if (!stack || (kworker && !blocked && is_idle_kworker(*stack)))
				continue;
			all += fmt::format("{} ({}) {}\n{}\n", tid, trimmed(*comm), state_of(*stat), *stack);
			if (blocked && recorder)
				recorder->put({.kind = Kind::witness,
					       .a = std::atoi(tid.c_str()),
					       .text = fmt::format("d-state {}", trimmed(*comm))});
		}
	}
	return all;
}

int run_evidence(const Root &root, const Recorder &recorder, Control &control)
{
	constexpr int64_t kPoll = 10 * kNsPerMs;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	while (control.evidence_wanted.load() == 0)
		sleep_ns(kPoll);
	send_file(recorder, control, "evidence/stacks.txt", collect_stacks(root, &recorder));
	for (const Source &source : kSources)
		if (auto text = root.read(source.path); text && !text->empty())
			send_file(recorder, control, source.name, *text);
	std::error_code error;
	for (const auto &card : std::filesystem::directory_iterator(root.path("/sys/kernel/debug/dri"), error)) {
		/* The same device again under its other names and as a render node. */
		std::string name = card.path().filename().string();
		constexpr int kFirstNonPrimary = 64;
		if (name.find_first_not_of("0123456789") != std::string::npos ||
		    std::atoi(name.c_str()) >= kFirstNonPrimary)
			continue;
		for (const char *file : {"name", "clients", "gem_names"})
			if (auto text = root.read(fmt::format("/sys/kernel/debug/dri/{}/{}", name, file)); text)
				send_file(recorder, control, fmt::format("evidence/dri-{}-{}.txt", name, file), *text);
	}
	control.evidence_done.store(1);
	return 0;
}

} // namespace drmsqueeze
