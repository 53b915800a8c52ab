/* SPDX-License-Identifier: MIT */
#include "agent/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/evidence.h"
#include "agent/expendable.h"
#include "agent/probe.h"
#include "agent/process.h"
#include "agent/watcher.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kTick = 5 * kNsPerMs;
constexpr int64_t kBeat = 200 * kNsPerMs;
/* Not stretched: a run may be over in two seconds on a slow machine too. */
constexpr int64_t kSamplePeriod = 100 * kNsPerMs;

/* Patience with our own helpers, before time_scale. */
constexpr int64_t kSetupLimit = 30 * kNsPerS;
constexpr int64_t kReadLimit = 1 * kNsPerS; /* for each piece of evidence */
constexpr int64_t kEvidenceLimit = 5 * kNsPerS;
constexpr int64_t kReleaseLimit = 10 * kNsPerS;
constexpr int64_t kProbeLimit = 2 * kNsPerS;
constexpr int64_t kExitLimit = 2 * kNsPerS;
constexpr int64_t kIdleLimit = 3 * kNsPerS;

/* How clients exit that have come to their end. Not 0, which is what is left of a first thread that is gone. */
constexpr int kClientFailed = 1;
constexpr int kClientThrough = 2;

/* Whom the OOM killer took, by the name that spawn() gave it. First match wins. */
constexpr struct {
	std::string_view comm;
	std::string_view whom;
} kOomVictims[] = {
	{"(drmsqueeze-hog)", "oom-kill hog"},
	{"(drmsq-client)", "oom-kill client"},
	{"(drmsq", "oom-kill agent"},
	{"", "oom-kill other"},
};

/** Moves this process into the cgroup v2 at @directory. */
Status join_cgroup(const std::string &directory)
{
	if (directory.empty())
		return {};
	std::string file = directory + "/cgroup.procs";
	UniqueFd procs(open(file.c_str(), O_WRONLY | O_CLOEXEC));
	if (!procs.valid() || write(procs.get(), "0", 1) != 1)
		return Error{errno, file + ": " + strerror(errno)};
	return {};
}

} // namespace

Supervisor::Supervisor(const Request &request, const Driver &driver, std::vector<std::unique_ptr<Stressor>> &stressors,
		       Recorder recorder, Control &control, JobTable table, std::string client_cgroup,
		       const std::vector<SampledFile> &sampled)
	: request_(request), driver_(driver), stressors_(stressors), recorder_(recorder), control_(control),
	  table_(table), client_cgroup_(std::move(client_cgroup)), sampler_(Sampler::open(Root(), sampled))
{
}

void Supervisor::run()
{
	if (Status status = set_up(); !status)
		control_.fail(status.error());
	else
		wait_for_arming();
	if (!control_.failed()) {
		control_.phase.store(Phase::run);
		watch();
	}
	release_all();
	probe_gpu();
	end_clients();
	/* What the watcher cannot see by now is beyond reach. */
	control_.last_look_wanted.store(1);
	tick_until([this] { return !has_watcher_ || control_.last_looks.load() >= kLookers; }, scaled(kReadLimit));
	control_.finished.store(1);
}

Status Supervisor::set_up()
{
	for (auto &stressor : stressors_)
		if (Status status = stressor->prepare(driver_); !status)
			return status;

	auto log = KernelLog::open();
	if (!log)
		return log.error();
	log_.emplace(std::move(*log));
	auto offset = log_->mark_and_measure_offset("drmsqueeze: run of " + request_.name + " begins\n");
	if (!offset)
		return offset.error();
	control_.log_offset_ns.store(*offset);

	auto evidence = spawn("drmsq-evidence", kFirstOomKilled,
			      [this] { return run_evidence(Root(), recorder_, control_, scaled(kReadLimit)); });
	if (!evidence)
		return evidence.error();
	auto watcher = spawn("drmsq-watcher", kNeverOomKilled,
			     [this] { return run_watcher(Root(), recorder_, control_, request_.d_state_ns); });
	if (!watcher)
		return watcher.error();
	has_watcher_ = true;
	/* It says whether the GPU works: killed, it would say that it does not. */
	auto probe = spawn("drmsq-probe", kNeverOomKilled,
			   [this] { return run_probe(driver_, recorder_, control_, scaled(kProbeLimit)); });
	if (!probe)
		return probe.error();
	has_probe_ = true;
	if (Status status = fork_clients(); !status)
		return status;
	if (Status status = start_sampler(); !status)
		return status;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return Error{errno, std::string("mlockall: ") + strerror(errno)};

	auto ready = [this] { return control_.failed() || control_.clients_ready.load() == clients_.size(); };
	if (!tick_until(ready, scaled(kSetupLimit)))
		return Error{ETIMEDOUT, "clients did not get ready"};
	return {};
}

/*
 * Clients are the first to be OOM-killed: losing one loses its jobs, which is recorded; losing the agent loses the run,
 * and losing the hog loses the pressure.
 */
Status Supervisor::fork_clients()
{
	uint64_t clients = 0;
	for (const auto &stressor : stressors_)
		clients += stressor->clients();
	through_ = static_cast<std::atomic<bool> *>(shared_memory(clients * sizeof(*through_)));
	if (!through_)
		return Error{ENOMEM, "no shared memory for the clients' state"};
	uint32_t client = 0;
	uint32_t first_slot = 0;
	for (auto &stressor : stressors_) {
		for (uint32_t context = 0; context < stressor->clients(); context++) {
			ClientSeat seat{request_, driver_, recorder_, control_, table_, client, context, first_slot};
			auto pid = spawn(kClientComm, kFirstOomKilled, [&] {
				Status status = join_cgroup(client_cgroup_);
				if (status)
					status = stressor->run_client(seat);
				if (!status)
					control_.fail(status.error().code, "client: " + status.error().reason);
				through_[client].store(true);
				return status ? kClientThrough : kClientFailed;
			});
			if (!pid)
				return pid.error();
			clients_.push_back({*pid, client});
			client++;
			first_slot += stressor->slots_per_client();
		}
	}
	return {};
}

Status Supervisor::start_sampler()
{
	return start_thread([this] {
		while (control_.finished.load() == 0) {
			sampler_.sample(recorder_);
			sleep_ns(kSamplePeriod);
		}
	});
}

void Supervisor::wait_for_arming()
{
	control_.arming.store(Arming::wanted);
	/* The guardian has limits of its own and says why it failed. */
	tick_until([this] { return control_.failed() || control_.arming.load() != Arming::wanted; }, 0);
}

/** Until all clients are through, a job is late, or somebody wants the end. */
void Supervisor::watch()
{
	std::optional<uint64_t> late;
	std::optional<uint64_t> stuck;
	tick_until(
		[&] {
			late = table_.first_late(now_ns());
			stuck = table_.first_stuck(now_ns(), request_.grace_ns);
			return late || stuck || clients_alive() == 0 || control_.phases_over.load() ||
			       exits_blocked() || control_.failed() || recorder_.stop_wanted();
		},
		0);
	control_.phase.store(Phase::stop);
	if (recorder_.stop_wanted())
		control_.fail(ECANCELED, "stopped by the host");
	else if (!late && !stuck && !request_.phases.empty() && !control_.phases_over.load())
		control_.fail(EINVAL, "all jobs were through before the last phase: the scenario needs more jobs");
	if (!late && !stuck)
		return;
	if (late)
		witness("late-fence", 0, *late);
	else
		witness("client-stuck", 0, *stuck);
	control_.evidence_wanted.store(1);
	tick_until([this] { return control_.evidence_done.load() != 0; }, scaled(kEvidenceLimit));
}

/**
 * Whether the clients that are left have nothing to do but exit, and take longer for it than a job may: they close what
 * they had open behind a lock with which somebody died.
 */
bool Supervisor::exits_blocked()
{
	int64_t now = now_ns();
	if (!std::all_of(clients_.begin(), clients_.end(),
			 [this](const Child &child) { return !child.pid || through_[child.client].load(); }))
		exiting_since_ns_ = 0;
	else if (!exiting_since_ns_)
		exiting_since_ns_ = now;
	return exiting_since_ns_ && now - exiting_since_ns_ > request_.deadline_ns;
}

/** The release test: give everything back, wait once more, and what then is still in flight is hung. */
void Supervisor::release_all()
{
	control_.phase.store(Phase::stop);
	recorder_.put({.kind = Kind::release, .code = kReleaseBegin});
	control_.release.store(Release::wanted);
	if (!tick_until([this] { return control_.release.load() != Release::wanted; }, scaled(kReleaseLimit)))
		witness("release-blocked");
	tick_until([this] { return table_.in_flight() == 0; }, request_.grace_ns);
	/* A client that is blocked is not the fate of a job whose fence has signalled. */
	table_.end_all(
		kNoClient,
		{.fate = Fate::lost, .flags = kAfterRelease, .reason = "fence through, its memory never read back"},
		{JobEntry::signalled});
	if (table_.end_all(
		    kNoClient,
		    {.fate = Fate::hung, .flags = kAfterRelease, .reason = "unsignalled after release and grace"}))
		control_.stuck.store(true);
	control_.phase.store(Phase::over);
}

void Supervisor::probe_gpu()
{
	if (!has_probe_)
		return;
	control_.probe.store(ProbeState::wanted);
	/* Twice its own limit: the fence is not all that can keep it waiting. */
	if (tick_until([this] { return control_.probe.load() != ProbeState::wanted; }, 2 * scaled(kProbeLimit)))
		return;
	ProbeState expected = ProbeState::wanted;
	if (control_.probe.compare_exchange_strong(expected, ProbeState::failed))
		witness("probe-failed no answer", ETIMEDOUT);
}

void Supervisor::end_clients()
{
	auto gone = [this] { return clients_alive() == 0; };
	if (tick_until(gone, scaled(kExitLimit)))
		return;
	for (const Child &child : clients_)
		if (child.pid)
			kill(child.pid, SIGKILL);
	if (tick_until(gone, scaled(kExitLimit)))
		return;
	for (const Child &child : clients_)
		if (child.pid) {
			witness("d-state client cannot be killed", child.pid);
			control_.stuck.store(true);
		}
}

template <typename Condition>
bool Supervisor::tick_until(Condition condition, int64_t limit_ns)
{
	int64_t begin = now_ns();
	for (;;) {
		tick();
		if (condition())
			return true;
		if (limit_ns && now_ns() - begin > limit_ns)
			return false;
		sleep_ns(kTick);
	}
}

void Supervisor::tick()
{
	beat();
	read_log();
	reap();
	watch_progress();
}

/** Progress is a job that ends, whatever is logged meanwhile. */
void Supervisor::watch_progress()
{
	int64_t now = now_ns();
	uint64_t ended = control_.jobs_ended.load();
	Phase phase = control_.phase.load();
	bool waiting = (phase == Phase::run || phase == Phase::stop) && table_.in_flight() != 0;
	if (!progress_.since_ns || waiting != progress_.waiting || ended != progress_.ended) {
		progress_ = {waiting, ended, now, false};
	} else if (waiting && !progress_.told && now - progress_.since_ns > request_.no_progress_ns) {
		progress_.told = true;
		witness("no-progress", (now - progress_.since_ns) / kNsPerMs);
	}
}

void Supervisor::beat()
{
	int64_t now = now_ns();
	if (now < next_beat_ns_)
		return;
	next_beat_ns_ = now + scaled(kBeat);
	recorder_.put(
		{.kind = Kind::beat, .a = static_cast<int64_t>(control_.jobs_ended.load()), .b = table_.in_flight()});
	/* Looking costs the kernel memory, for which this process must not wait while a job is in flight. */
	bool idle = !progress_.waiting && table_.in_flight() == 0;
	if (idle && progress_.since_ns && now - progress_.since_ns > scaled(kIdleLimit))
		end_headless_clients();
}

void Supervisor::read_log()
{
	if (!log_)
		return;
	log_->drain([this](const LogRecord &record) {
		if (sign_of(driver_, record.text) == LogSign::job_timeout)
			witness("driver-timeout", static_cast<int64_t>(record.seq));
		/* oom_kill_process: "Out of memory: Killed process PID (COMM) ..." */
		constexpr std::string_view kKilled = "Killed process ";
		size_t at = record.text.find(kKilled);
		if (at == std::string_view::npos)
			return;
		for (const auto &victim : kOomVictims) {
			if (record.text.find(victim.comm, at) == std::string_view::npos)
				continue;
			witness(victim.whom, std::strtol(record.text.data() + at + kKilled.size(), nullptr, 10));
			return;
		}
	});
}

void Supervisor::reap()
{
	int status = 0;
	for (Child &child : clients_)
		if (child.pid && waitpid(child.pid, &status, WNOHANG) == child.pid)
			client_ended(child, status);
}

/**
 * An oops ends only the thread that ran into it. A client whose first thread is gone works no more, but it can be
 * reaped only once its other threads are gone too, and they may wait for the first.
 */
void Supervisor::end_headless_clients()
{
	for (Child &child : clients_) {
		if (!child.pid || is_alive(child.pid))
			continue;
		child.headless = true;
		kill(child.pid, SIGKILL);
	}
}

void Supervisor::client_ended(Child &child, int status)
{
	child.pid = 0;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (code == kClientThrough || code == kClientFailed)
		return;
	/* What we kill ourselves at the end has no jobs any more. */
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	bool gone = child.headless || !signal;
	table_.end_all(child.client,
		       {.fate = Fate::lost,
			.reason = gone ? "client gone" : fmt::format("client killed by signal {}", signal)});
	if (control_.phase.load() != Phase::over)
		recorder_.put({.kind = Kind::witness,
			       .client = child.client,
			       .a = signal,
			       .text = gone ? "client-gone" : "client-killed"});
}

uint32_t Supervisor::clients_alive() const
{
	return static_cast<uint32_t>(
		std::count_if(clients_.begin(), clients_.end(), [](const Child &child) { return child.pid != 0; }));
}

int64_t Supervisor::scaled(int64_t ns) const
{
	return static_cast<int64_t>(static_cast<double>(ns) * request_.time_scale);
}

void Supervisor::witness(std::string_view text, int64_t value, uint64_t job) const
{
	recorder_.put({.kind = Kind::witness, .job = job, .a = value, .text = text});
}

} // namespace drmsqueeze
