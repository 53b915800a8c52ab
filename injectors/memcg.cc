/* SPDX-License-Identifier: MIT */
/*
 * memcg: a cgroup v2 that the clients are born into, with limits that change over time, and memory.reclaim in it and
 * in the root. Only the root's reclaim reaches shrinkers that are not memcg aware, as all of GPU drivers are
 * (mm/shrinker.c, shrink_slab()); and what no task of the clients allocates is charged to the root: a tiler heap, which
 * the thread of an interrupt populates, is. So the report says what was charged where.
 */
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/environment.h"
#include "agent/process.h"
#include "injectors/cgroup.h"
#include "injectors/injector.h"
#include "injectors/memcg_limits.h"
#include "injectors/memcg_work.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "memcg";
constexpr std::array<const char *, kLimits> kFiles = {"/memory.max", "/memory.high", "/memory.swap.max"};
/* By MemcgCharge. */
constexpr std::array<const char *, kMemcgCharges> kCharged = {
	"the programs' own memory (anon)",
	"buffers and heaps (shmem)",
	"the kernel's own (kernel)",
};

class Memcg : public Injector
{
public:
	explicit Memcg(MemcgOptions options) : options_(std::move(options)) {}

	Status check(const InjectorSeat &seat) const override;
	Status prepare(InjectorSeat &seat) override;
	std::vector<SampledFile> sampled() const override;
	Status arm(const InjectorSeat &seat) override;

	Status adjust(const InjectorSeat &seat) override
	{
		shared_->intensity = seat.intensity;
		return {};
	}

	void read_counters() override;
	bool release() override;

	bool lost_process(pid_t pid) override
	{
		for (pid_t &worker : workers_)
			if (worker == pid) {
				worker = 0;
				return true;
			}
		return false;
	}

	nlohmann::json report() const override;

private:
	uint64_t fired() const;
	nlohmann::json tables() const;

	MemcgOptions options_;
	Root root_;
	MemcgShared *shared_ = nullptr;
	std::array<UniqueFd, kLimits> limit_fds_;
	UniqueFd events_fd_;
	UniqueFd swap_events_fd_;
	std::vector<pid_t> workers_;
	std::array<int64_t, 5> events_{}; /* as in kEvents */
	uint64_t peak_ = 0;
};

constexpr struct {
	const char *line;
	const char *name; /* in counts and samples */
	bool swap;
} kEvents[] = {
	{"high ", "events_high", false},         {"max ", "events_max", false},     {"oom ", "events_oom", false},
	{"oom_kill ", "events_oom_kill", false}, {"max ", "events_swap_max", true},
};

std::string unsupported(const Root &root)
{
	std::string file = std::string(kCgroupTree) + "/cgroup.controllers";
	auto controllers = root.read(file);
	if (!controllers)
		return file + " is missing: no cgroup v2 tree is mounted there";
	return has_word(*controllers, "memory") ? ""
						: file + " has no memory: the controller is off, or used by cgroup v1";
}

Status Memcg::check(const InjectorSeat &seat) const
{
	if (std::string reason = unsupported(seat.root); !reason.empty())
		return Error{ENOTSUP, reason};
	std::string root_reclaim = std::string(kCgroupTree) + "/memory.reclaim";
	if (!options_.reclaims.empty() && !seat.root.exists(root_reclaim))
		return Error{ENOTSUP, root_reclaim + " is missing: it came with Linux 5.19"};
	return {};
}

Status Memcg::prepare(InjectorSeat &seat)
{
	root_ = seat.root;
	if (Status status = seat.journal.make_cgroup(root_.path(kClientCgroup), "memory"); !status)
		return status;
	for (size_t i = 0; i < kLimits; i++) {
		std::string file = root_.path(client_file(kFiles[i]));
		if (!options_.names(i))
			continue;
		/* So that giving back lifts it at once, while clients still live. */
		if (Status status = seat.journal.turn(file, "max"); !status)
			return status;
		limit_fds_[i].reset(open(file.c_str(), O_WRONLY | O_CLOEXEC));
	}
	/* Read once: a seq_file keeps its buffer, so the last reading needs no memory. */
	events_fd_.reset(open(root_.path(client_file("/memory.events")).c_str(), O_RDONLY | O_CLOEXEC));
	swap_events_fd_.reset(open(root_.path(client_file("/memory.swap.events")).c_str(), O_RDONLY | O_CLOEXEC));
	read_counters();
	seat.client_cgroup = root_.path(kClientCgroup);
	return {};
}

std::vector<SampledFile> Memcg::sampled() const
{
	constexpr double kPerKib = 1.0 / 1024;
	std::vector<SampledValue> events;
	for (const auto &event : kEvents)
		if (!event.swap)
			events.push_back({fmt::format("memcg_{}", event.name), event.line, ""});
	return {{client_file("/memory.current"), {{"memcg_current_kib", "", "", kPerKib}}},
		{client_file("/memory.swap.current"), {{"memcg_swap_kib", "", "", kPerKib}}},
		{client_file("/memory.events"), events},
		{client_file("/memory.stat"),
		 {{"memcg_anon_kib", "anon ", "", kPerKib},
		  {"memcg_shmem_kib", "shmem ", "", kPerKib},
		  {"memcg_kernel_kib", "kernel ", "", kPerKib},
		  {"memcg_pgscan", "pgscan ", ""},
		  {"memcg_pgsteal", "pgsteal ", ""}}},
		{client_file("/memory.pressure"),
		 {{"memcg_psi_some_total_us", "some ", "total="}, {"memcg_psi_full_total_us", "full ", "total="}}}};
}

Status Memcg::arm(const InjectorSeat &seat)
{
	constexpr int64_t kPoll = 5 * kNsPerMs;
	constexpr double kLimit = 30.0 * kNsPerS;
	void *memory = shared_memory(sizeof(MemcgShared));
	if (!memory)
		return Error{ENOMEM, "memcg: no shared memory"};
	shared_ = new (memory) MemcgShared();
	shared_->intensity = seat.intensity;
	MemcgWork work{options_, root_,    limit_fds_,
		       *shared_, now_ns(), static_cast<int64_t>(meminfo_kib(root_, "Shmem"))};
	workers_.reserve(1 + options_.reclaims.size());
	for (size_t i = 0; i <= options_.reclaims.size(); i++) {
		auto pid = spawn("drmsq-memcg", kNeverOomKilled, [&]() -> int {
			if (i == 0)
				hold_limits(work);
			keep_reclaiming(work, i - 1);
		});
		if (!pid)
			return pid.error();
		workers_.push_back(*pid);
	}
	auto limit = static_cast<int64_t>(kLimit * std::max(1.0, seat.request.time_scale));
	for (int64_t begin = now_ns(); !shared_->ready; sleep_ns(kPoll))
		if (now_ns() - begin > limit)
			return Error{ETIMEDOUT, "memcg: the first limits could not be set in time"};
	return {};
}

void Memcg::read_counters()
{
	char text[512];
	for (bool swap : {false, true}) {
		int fd = (swap ? swap_events_fd_ : events_fd_).get();
		ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
		if (got <= 0)
			continue;
		text[got] = '\0';
		for (size_t i = 0; i < std::size(kEvents); i++)
			if (kEvents[i].swap == swap)
				find_value({text, static_cast<size_t>(got)}, kEvents[i].line, "", 1, events_[i]);
	}
}

bool Memcg::release()
{
	constexpr int64_t kLimit = 5 * kNsPerS;
	bool good = true;
	for (pid_t &worker : workers_)
		if (pid_t pid = std::exchange(worker, 0))
			good &= kill_and_reap(pid, kLimit);
	/* The last of them may have set one between the journal's lifting and its own end. */
	for (UniqueFd &fd : limit_fds_)
		if (fd.valid())
			good &= write(fd.get(), "max", 3) == 3;
	auto peak = root_.read(client_file("/memory.peak"));
	peak_ = peak ? std::strtoull(peak->c_str(), nullptr, 10) : 0;
	return good;
}

uint64_t Memcg::fired() const
{
	auto events = static_cast<uint64_t>(events_[0] + events_[1] + events_[4]);
	for (size_t i = 0; shared_ && i < options_.reclaims.size(); i++)
		events += shared_->reclaims[i].done + shared_->reclaims[i].less;
	return events;
}

nlohmann::json Memcg::tables() const
{
	std::string clients(kClientCgroup.substr(kCgroupTree.size()));
	int64_t shmem_kib = static_cast<int64_t>(shared_->most[shmem]) / 1024;
	auto charged = nlohmann::json::array();
	charged.push_back({clients, "all (memory.peak)", peak_ / 1024});
	for (size_t i = 0; i < kMemcgCharges; i++)
		charged.push_back({clients, kCharged[i], shared_->most[i] / 1024});
	charged.push_back({"whole machine", "growth of Shmem", shared_->most_shmem_kib.load()});
	charged.push_back({"/", "of that not the clients'", std::max<int64_t>(0, shared_->most_shmem_kib - shmem_kib)});
	auto writes = nlohmann::json::array();
	auto add = [&](const std::string &file, const Tries &tries) {
		writes.push_back({file, tries.done + tries.less + tries.failed, tries.done.load(), tries.less.load(),
				  tries.failed.load(), tries.longest_ns / kNsPerMs, tries.total_ns / kNsPerMs});
	};
	add(clients + ": limits", shared_->limits);
	for (size_t i = 0; i < options_.reclaims.size(); i++)
		add((options_.reclaims[i].root ? "/" : clients) + ": memory.reclaim", shared_->reclaims[i]);
	return {{{"title", "What was charged where, at most"},
		 {"columns", {"cgroup", "what", "KiB"}},
		 {"rows", charged}},
		{{"title", "Writes to the cgroup's files"},
		 {"columns", {"file", "writes", "done", "reclaimed less", "failed", "longest ms", "all ms"}},
		 {"rows", writes}}};
}

nlohmann::json Memcg::report() const
{
	nlohmann::json report = {{"injector", kName},
				 {"settings", options_.describe()},
				 {"fired", fired()},
				 {"charged_to", kClientCgroup.substr(kCgroupTree.size())}};
	for (size_t i = 0; i < std::size(kEvents); i++)
		report["counts"][kEvents[i].name] = events_[i];
	if (shared_)
		report["tables"] = tables();
	return report;
}

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<Memcg>(parse_memcg_options(std::move(options)));
}

} // namespace

extern const InjectorDescriptor kMemcg;
const InjectorDescriptor kMemcg = {
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
