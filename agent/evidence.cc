/* SPDX-License-Identifier: MIT */
#include "agent/evidence.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/expendable.h"
#include "agent/file_sender.h"
#include "agent/process.h"
#include "agent/tasks.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

struct Source {
	const char *path;
	const char *name; /* in the run directory */
};

/* Those that take no lock first; reservations' locks last (dma_buf_debug_show takes every one). */
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

/*
 * In the directory of a card: the DRM core's, and those of drivers that only look. No wildcard: reading
 * amdgpu_gpu_recover resets the GPU, and amdgpu_evict_vram evicts.
 */
constexpr const char *kCardFiles[] = {
	"name",
	"clients",
	"gem_names",
	"gem",
	"gems",
	"gpuvas",
	"gpu",
	"i915_gem_objects",
	"amdgpu_fence_info",
	"amdgpu_gem_info",
};

/* What one file may take of the ring. */
constexpr uint64_t kMaxBytes = 256 * 1024;

bool is_idle_kworker(const std::string &stack)
{
	/* An idle one sleeps in worker_thread or rescuer_thread itself; a busy one has its work's functions above. */
	size_t line = stack.find('\n');
	return stack.find("worker_thread") < line || stack.find("rescuer_thread") < line;
}

/** The file as far as it can be read, without a heap: this is done while memory is short. Empty files leave none. */
void copy_file(const char *path, const char *name, const Recorder &recorder, Control &control)
{
	UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
	char chunk[4096];
	ssize_t got = fd.valid() ? read(fd.get(), chunk, sizeof(chunk)) : 0;
	if (got <= 0)
		return;
	FileSender sender(recorder, control, name);
	for (; got > 0 && sender.bytes() < kMaxBytes; got = read(fd.get(), chunk, sizeof(chunk)))
		sender.append({chunk, static_cast<size_t>(got)});
	if (got > 0)
		sender.append("\n(cut here)\n");
}

/** What the kernel says of our clients' DRM files (Documentation/gpu/drm-usage-stats.rst). */
void copy_fdinfo(const Root &root, const Recorder &recorder, Control &control)
{
	FileSender sender(recorder, control, "evidence/fdinfo.txt");
	for (const std::string &pid : numbers_in(root.path("/proc"))) {
		auto comm = root.read("/proc/" + pid + "/comm");
		if (!comm || trimmed(*comm) != kClientComm)
			continue;
		std::string directory = "/proc/" + pid + "/fdinfo";
		for (const std::string &fd : numbers_in(root.path(directory))) {
			auto text = root.read(fmt::format("{}/{}", directory, fd));
			if (text && text->find("drm-driver:") != std::string::npos)
				sender.append(fmt::format("client process {}, descriptor {}\n{}\n", pid, fd, *text));
		}
	}
}

Status add_sources(Expendables &readers, const Root &root, const Recorder &recorder, Control &control)
{
	Status status = readers.add("/proc/*/stack", [&] {
		FileSender sender(recorder, control, "evidence/stacks.txt");
		collect_stacks(root, [&sender](std::string_view text) { sender.append(text); });
	});
	auto add_file = [&](const std::string &path, const std::string &name) {
		if (status)
			status = readers.add(path, [file = root.path(path), name, &recorder, &control] {
				copy_file(file.c_str(), name.c_str(), recorder, control);
			});
	};
	for (const Source &source : kSources)
		add_file(source.path, source.name);
	if (status)
		status = readers.add("/proc/*/fdinfo", [&] { copy_fdinfo(root, recorder, control); });
	for (const std::string &name : numbers_in(root.path("/sys/kernel/debug/dri"))) {
		/* The same device again under its other names and as a render node. */
		constexpr int kFirstNonPrimary = 64;
		if (std::atoi(name.c_str()) >= kFirstNonPrimary)
			continue;
		for (const char *file : kCardFiles) {
			std::string path = fmt::format("/sys/kernel/debug/dri/{}/{}", name, file);
			if (root.exists(path))
				add_file(path, fmt::format("evidence/dri-{}-{}.txt", name, file));
		}
	}
	return status;
}

} // namespace

void collect_stacks(const Root &root, const std::function<void(std::string_view)> &sink)
{
	for_each_task(root.path("/proc"), [&](const Task &task) {
		std::string directory = "/proc/" + task.directory();
		auto stat = root.read(directory + "/stat");
		auto comm = root.read(directory + "/comm");
		if (!stat || !comm)
			return;
		bool blocked = task_state(*stat) == 'D';
		bool kworker = comm->starts_with("kworker/");
		if (!blocked && !kworker && !comm->starts_with("irq/"))
			return;
		auto stack = root.read(directory + "/stack");
		if (!stack || (kworker && !blocked && is_idle_kworker(*stack)))
			return;
		sink(fmt::format("{} ({}) {}\n{}\n", task.tid, trimmed(*comm), task_state(*stat), *stack));
	});
}

int run_evidence(const Root &root, const Recorder &recorder, Control &control, int64_t limit_ns)
{
	constexpr int64_t kPoll = 10 * kNsPerMs;
	Expendables readers;
	Status status = add_sources(readers, root, recorder, control);
	std::string stacks;
	Expendables last; /* reading a stack takes a lock and memory as well */
	if (status)
		status = last.add("stacks of blocked reads", [&] {
			FileSender sender(recorder, control, "evidence/blocked-reads.txt");
			for (const Expendables::Piece *piece : readers.blocked()) {
				auto stack = root.read(fmt::format("/proc/self/task/{}/stack", piece->tid.load()));
				sender.append(fmt::format("{} did not come back for {} ms; its reader's stack:\n{}\n",
							  piece->name, (now_ns() - piece->begun_ns) / kNsPerMs,
							  stack ? *stack : stack.error().reason));
			}
		});
	if (!status)
		recorder.put({.kind = Kind::witness, .a = status.error().code, .text = "evidence-incomplete"});
	mlockall(MCL_CURRENT | MCL_FUTURE);
	while (control.evidence_wanted.load() == 0)
		sleep_ns(kPoll);
	readers.run(limit_ns);
	for (const Expendables::Piece *piece : readers.blocked())
		recorder.put({.kind = Kind::witness,
			      .a = (now_ns() - piece->begun_ns) / kNsPerMs,
			      .text = "debugfs-blocked " + piece->name});
	if (!readers.blocked().empty())
		last.run(limit_ns);
	control.evidence_done.store(1);
	/* Threads that are still blocked use what lives on this stack. */
	while (!readers.blocked().empty() || !last.blocked().empty())
		sleep_ns(kPoll);
	return 0;
}

} // namespace drmsqueeze
