/* SPDX-License-Identifier: MIT */
#include "injectors/memcg_work.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/environment.h"
#include "agent/sampler.h"
#include "injectors/cgroup.h"

namespace drmsqueeze
{

namespace
{

/* Where a limit's way down begins: the most that was used. */
constexpr std::array<const char *, kLimits> kPeaks = {"/memory.peak", "/memory.peak", "/memory.swap.peak"};
constexpr std::array<const char *, kMemcgCharges> kMembers = {"anon ", "shmem ", "kernel "};

void try_write(int fd, const std::string &text, Tries &tries)
{
	int64_t begin = now_ns();
	bool good = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
	bool less = !good && errno == EAGAIN;
	int64_t took = now_ns() - begin;
	tries.total_ns += took;
	if (took > tries.longest_ns)
		tries.longest_ns = took;
	(good ? tries.done : less ? tries.less : tries.failed)++;
}

uint64_t number_in(const Root &root, const std::string &file)
{
	auto text = root.read(file);
	return text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
}

void observe(const MemcgWork &work)
{
	auto text = work.root.read(client_file("/memory.stat"));
	int64_t value = 0;
	for (size_t i = 0; text && i < kMembers.size(); i++)
		if (find_value(*text, kMembers[i], "", 1, value) && static_cast<uint64_t>(value) > work.shared.most[i])
			work.shared.most[i] = static_cast<uint64_t>(value);
	int64_t grown = static_cast<int64_t>(meminfo_kib(work.root, "Shmem")) - work.idle_shmem_kib;
	if (grown > work.shared.most_shmem_kib)
		work.shared.most_shmem_kib = grown;
}

} // namespace

std::string client_file(std::string_view name)
{
	return std::string(kClientCgroup) + std::string(name);
}

void hold_limits(const MemcgWork &work)
{
	constexpr int64_t kTick = 20 * kNsPerMs;
	constexpr int kTicksPerLook = 5; /* reading memory.stat gathers the counts of all CPUs */
	std::array<std::string, kLimits> last = {"max", "max", "max"};
	for (int tick = 0;; tick++) {
		for (size_t i = 0; i < kLimits; i++) {
			if (!work.limits[i].valid())
				continue;
			uint64_t used = number_in(work.root, client_file(kPeaks[i]));
			uint64_t limit = limit_at(work.options.steps, i, now_ns() - work.begin_ns, used);
			std::string text = limit_text(weakened(limit, work.shared.intensity, used));
			if (text == last[i])
				continue;
			try_write(work.limits[i].get(), text, work.shared.limits);
			last[i] = text;
		}
		work.shared.ready = true;
		if (tick % kTicksPerLook == 0)
			observe(work);
		sleep_ns(kTick);
	}
}

void keep_reclaiming(const MemcgWork &work, size_t number)
{
	constexpr uint64_t kPage = 4096;
	const Reclaim &wanted = work.options.reclaims[number];
	std::string directory(wanted.root ? kCgroupTree : kClientCgroup);
	std::string file = work.root.path(directory + "/memory.reclaim");
	UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
	for (int64_t next = work.begin_ns;; next = std::max(next + wanted.every_ns, now_ns())) {
		sleep_ns(std::max<int64_t>(0, next - now_ns()));
		auto bytes = static_cast<uint64_t>(static_cast<double>(wanted.bytes) * work.shared.intensity);
		if (bytes >= kPage)
			try_write(fd.get(), std::to_string(bytes), work.shared.reclaims[number]);
	}
}

} // namespace drmsqueeze
