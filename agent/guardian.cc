/* SPDX-License-Identifier: MIT */
#include "agent/guardian.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/detectors.h"
#include "agent/environment.h"
#include "agent/file_sender.h"
#include "agent/kmemleak.h"
#include "agent/leak_watch.h"
#include "agent/process.h"
#include "agent/recorder.h"
#include "agent/ring_source.h"
#include "agent/scenario.h"
#include "agent/supervisor.h"
#include "injectors/injector.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitBadScenario = 2;
constexpr int kExitError = 3;
/* Set by the handler of the signals that want an end. Children inherit it and need no more of it: we end them. */
volatile sig_atomic_t told_to_end = 0;

constexpr const char *kTargetMark = "/etc/drmsqueeze-target";

class Guardian
{
public:
	Guardian(const Request &request, const Driver &driver, Recorder recorder, Control &control,
		 RestoreJournal journal)
		: request_(request), driver_(driver), recorder_(recorder), control_(control),
		  journal_(std::move(journal)),
		  seat_{request_, Root(), journal_, 0, request_.phases.empty() ? 1.0 : 0.0, ""}
	{
	}

	/** Builds stressors and injectors, and asks whether they can work here; throws ScenarioError. */
	Status plan()
	{
		for (const Item &item : request_.stressors) {
			const StressorDescriptor &kind = stressor_of(item);
			if (std::string reason = kind.unsupported(driver_); !reason.empty())
				return Error{ENOTSUP, item.kind + ": " + reason};
			stressors_.push_back(kind.create(item.reader));
		}
		for (const Item &item : request_.injectors)
			injectors_.push_back(injector_of(item).create(item.reader, request_));
		for (const auto &injector : injectors_)
			if (Status status = injector->check(seat_); !status)
				return status;
		return {};
	}

	/** The run itself. */
	void run()
	{
		static_cast<void>(leaks_.begin()); /* an error stands in its report */
		if (Status status = prepare(); !status) {
			control_.fail(status.error());
			release();
			return;
		}
		uint32_t slots = 0;
		for (const auto &stressor : stressors_)
			slots += stressor->clients() * stressor->slots_per_client();
		auto table = JobTable::create(slots, &control_, recorder_);
		if (!table)
			return control_.fail(table.error());
		auto supervisor = spawn("drmsq-superv", kNeverOomKilled, [&] {
			Supervisor(request_, driver_, stressors_, recorder_, control_, *table, seat_.client_cgroup,
				   sampled())
				.run();
			return 0;
		});
		if (!supervisor)
			return control_.fail(supervisor.error());
		supervisor_ = *supervisor;
		mlockall(MCL_CURRENT | MCL_FUTURE);

		while (supervisor_ && control_.finished.load() == 0)
			step();
		if (control_.finished.load() == 0) {
			control_.fail(ECHILD, "the supervisor was killed");
			control_.phase.store(Phase::over);
			recorder_.put({.kind = Kind::release, .code = kReleaseBegin});
			release();
			table->end_all(kNoClient, {.fate = Fate::lost, .reason = "the supervisor was killed"});
		}
	}

	/** What clients lived in, once they are gone. */
	void clean_up()
	{
		if (journal_.restore())
			return;
		control_.release.store(Release::not_restored);
		witness_not_restored();
	}

	/** Files for the run directory that need the run's results. */
	void send_files()
	{
		auto list = nlohmann::json::array();
		bool restored = control_.release.load() != Release::not_restored;
		for (const auto &injector : injectors_) {
			auto entry = injector->report();
			entry["restored"] = restored;
			list.push_back(std::move(entry));
			for (const RunFile &file : injector->files())
				if (!file.content.empty())
					send_file(recorder_, control_, file.name, file.content);
		}
		send_file(recorder_, control_, "injections.json", list.dump(1) + "\n");
		auto reports = nlohmann::json::array();
		for (size_t i = 0; i < stressors_.size(); i++) {
			auto report = stressors_[i]->report();
			if (report.is_null())
				continue;
			report["stressor"] = request_.stressors[i].kind;
			reports.push_back(std::move(report));
		}
		send_file(recorder_, control_, "stressors.json", reports.dump(1) + "\n");
		if (auto rules = Root().read("/sys/kernel/debug/drmsqueeze/shrinker_rules/table"))
			send_file(recorder_, control_, "evidence/shrinker-rules.txt", *rules);
		auto environment =
			describe_environment(seat_.root, driver_.name, driver_.module, seat_.idle_available_kib);
		send_file(recorder_, control_, "environment.json", environment.dump(1) + "\n");
		if (std::string leaks = scan_for_leaks(seat_.root, [this] { beat(); }); !leaks.empty())
			send_file(recorder_, control_, "evidence/kmemleak.txt", leaks);
	}

	/**
	 * What the run has left behind, with everybody gone and all given back. Last, for it drops what is cached, and
	 * the stressors' reports tell of caches.
	 */
	void count_leaks()
	{
		if (control_.stuck.load())
			leaks_.give_up("something hung, and holds what it has");
		else if (control_.failed())
			leaks_.give_up("the run could not do its work");
		else
			watch_leaks();
		send_file(recorder_, control_, "leaks.json", leaks_.report());
	}

private:
	/** For the time when the supervisor, who beats during the run, is gone. */
	void beat() { recorder_.put({.kind = Kind::beat, .a = static_cast<int64_t>(control_.jobs_ended.load())}); }

	void watch_leaks()
	{
		constexpr int64_t kPatience = 3 * kNsPerS;
		constexpr double kMostScale = 4; /* what is late is late by timers as well, and those are not slower */
		auto meanwhile = [this] {
			beat();
			while (waitpid(-1, nullptr, WNOHANG) > 0)
				; /* the supervisor, and helpers that ended with the run */
		};
		auto limit = static_cast<int64_t>(kPatience * std::min(request_.time_scale, kMostScale));
		static_cast<void>(leaks_.end(limit, meanwhile)); /* an error stands in its report */
	}

	Status prepare()
	{
		if (Status status = set_detectors(seat_.root, request_.detectors_s, journal_); !status)
			return status;
		for (auto &injector : injectors_)
			if (Status status = injector->prepare(seat_); !status)
				return status;
		return {};
	}

	std::vector<SampledFile> sampled() const
	{
		std::vector<SampledFile> all;
		for (const auto &injector : injectors_)
			for (SampledFile &file : injector->sampled())
				all.push_back(std::move(file));
		return all;
	}

	void step()
	{
		constexpr int64_t kPoll = 5 * kNsPerMs;
		int status = 0;
		if (int number = std::exchange(told_to_end, 0))
			control_.fail(ECANCELED, fmt::format("told to end by signal {}", number));
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			child_died(pid);
		if (control_.arming.load() == Arming::wanted)
			arm();
		if (control_.release.load() == Release::wanted)
			release();
		else if (control_.phase.load() == Phase::run && !control_.phases_over.load())
			go_through_phases();
		sleep_ns(kPoll);
	}

	/** Brings the intensity to where the scenario's phases want it now. */
	void go_through_phases()
	{
		constexpr double kStep = 0.01; /* finer than any effect that could be seen */
		if (request_.phases.empty())
			return;
		int64_t now = now_ns();
		if (phase_ == SIZE_MAX || now >= phase_began_ + request_.phases[phase_].duration_ns) {
			if (++phase_ == request_.phases.size()) {
				control_.phases_over.store(true);
				return;
			}
			phase_began_ = now;
			const ScenarioPhase &begun = request_.phases[phase_];
			recorder_.put({.kind = Kind::phase, .a = static_cast<int64_t>(phase_), .text = begun.kind});
			control_.resting.store(begun.kind == "rest");
		}
		const ScenarioPhase &phase = request_.phases[phase_];
		double done = static_cast<double>(now - phase_began_) / static_cast<double>(phase.duration_ns);
		double wanted = phase.from + (phase.to - phase.from) * std::min(1.0, done);
		if (wanted == seat_.intensity || (wanted != phase.to && std::abs(wanted - seat_.intensity) < kStep))
			return;
		seat_.intensity = wanted;
		for (auto &injector : injectors_)
			if (Status status = injector->adjust(seat_); !status)
				control_.fail(status.error());
	}

	void child_died(pid_t pid)
	{
		if (pid == supervisor_)
			supervisor_ = 0;
		for (auto &injector : injectors_) {
			if (!injector->lost_process(pid))
				continue;
			std::string name = injector->report()["injector"];
			std::string text = name == "hog" ? "hog-killed" : "injector-killed " + name;
			recorder_.put({.kind = Kind::witness, .a = pid, .text = text});
		}
	}

	void arm()
	{
		seat_.idle_available_kib = meminfo_kib(seat_.root, "MemAvailable");
		for (auto step : {&Injector::arm, &Injector::switch_on})
			for (auto &injector : injectors_) {
				Status status = (*injector.*step)(seat_);
				if (!status) {
					control_.fail(status.error());
					control_.arming.store(Arming::failed);
					return;
				}
			}
		go_through_phases(); /* the first begins before the first job */
		control_.arming.store(Arming::armed);
	}

	/** Everything back as it was: the one place where that is done. */
	void release()
	{
		Release before = control_.release.load();
		if (before == Release::restored || before == Release::not_restored)
			return;
		for (auto &injector : injectors_)
			injector->read_counters();
		bool restored = journal_.restore_knobs();
		for (auto &injector : injectors_)
			restored &= injector->release();
		control_.release.store(restored ? Release::restored : Release::not_restored);
		recorder_.put({.kind = Kind::release, .code = kReleaseDone, .a = restored});
		witness_not_restored();
		for (const auto &injector : injectors_)
			if (injector->never_fired())
				witness_not_fired(*injector);
	}

	void witness_not_restored()
	{
		for (const std::string &path : journal_.failed())
			recorder_.put({.kind = Kind::witness, .text = "not-restored " + path});
	}

	void witness_not_fired(const Injector &injector)
	{
		auto report = injector.report();
		const auto &settings = report["settings"];
		std::string name = report["injector"];
		for (const char *member : {"fault", "trap"})
			if (settings.contains(member))
				name += " " + settings[member].get<std::string>();
		recorder_.put({.kind = Kind::witness, .text = "trap-not-fired " + name});
	}

	const Request &request_;
	const Driver &driver_;
	Recorder recorder_;
	Control &control_;
	RestoreJournal journal_;
	InjectorSeat seat_;
	std::vector<std::unique_ptr<Stressor>> stressors_;
	std::vector<std::unique_ptr<Injector>> injectors_;
	pid_t supervisor_ = 0;
	size_t phase_ = SIZE_MAX; /* none has begun */
	int64_t phase_began_ = 0;
	LeakWatch leaks_{Root()};
};

/* The tool wrecks machines on purpose: only a guest of our own, or a machine whose owner says so. */
bool is_target(const Root &root)
{
	return find_ivshmem(root) || root.exists(kTargetMark);
}

int run_request(const std::string &journal_file, const Recorder &recorder, Control &control)
{
	Request request = parse_request(recorder.request());
	if (!is_target(Root())) {
		control.fail(EPERM,
			     fmt::format("neither an ivshmem device nor {}: this machine is no target", kTargetMark));
		return kExitError;
	}
	const Driver *driver = find_driver(request.driver);
	if (!driver)
		throw ScenarioError("/scenario/target/driver", request.driver, "a driver that the agent knows");
	auto journal = RestoreJournal::create(journal_file);
	if (!journal) {
		control.fail(journal.error());
		return kExitError;
	}
	Guardian guardian(request, *driver, recorder, control, std::move(*journal));
	if (Status status = guardian.plan(); !status) {
		control.fail(status.error());
		return kExitError;
	}
	guardian.run();
	guardian.clean_up();
	guardian.send_files();
	guardian.count_leaks();
	return control.failed() ? kExitError : 0;
}

} // namespace

int guard(const std::string &journal, const Recorder &recorder, Control &control, const sigset_t &mask)
{
	struct sigaction action {
	};
	action.sa_handler = [](int number) { told_to_end = number; };
	for (int number : {SIGTERM, SIGINT, SIGHUP})
		sigaction(number, &action, nullptr);
	sigprocmask(SIG_SETMASK, &mask, nullptr);
	try {
		return run_request(journal, recorder, control);
	} catch (const ScenarioError &error) {
		control.fail(EINVAL, error.what());
		return kExitBadScenario;
	}
}

} // namespace drmsqueeze
