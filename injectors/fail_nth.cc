/* SPDX-License-Identifier: MIT */
/*
 * fail-nth: opens the gates of fault injection so far that /proc/PID/task/TID/fail-nth counts every allocation of slab
 * objects and pages, whatever its flags, and nothing fails of itself (probability 0). Whoever sweeps (the stressor
 * error-sweep) arms its own thread, or one of the kernel's. The gates act before fail-nth counts (mm/failslab.c,
 * mm/fail_page_alloc.c), and so does the stack filter (should_fail_ex(), lib/fault-inject.c).
 */
#include <fmt/format.h>

#include "injectors/fault_attr.h"
#include "injectors/task_marks.h"

namespace drmsqueeze
{

namespace
{

constexpr FaultKind kSlab = {"fail-nth", "/sys/kernel/debug/failslab", "CONFIG_FAILSLAB"};
constexpr FaultKind kPages = {"fail-nth", "/sys/kernel/debug/fail_page_alloc", "CONFIG_FAIL_PAGE_ALLOC"};
/* Parameters of drivers without which what is to be swept is not there. */
constexpr const char *kUnstable = "/sys/module/panfrost/parameters/unstable_ioctls";
constexpr const char *kErrorTasks = "/sys/module/lima/parameters/max_error_tasks";
constexpr const char *kSpared = "/sys/kernel/debug/drmsqueeze/fault_site/spared"; /* of lab/probes/fault_site.c */
/* In which operations of the sweep allocate, and which are there for as long as their device is. */
constexpr const char *kKernelThreads[] = {"irq/*", "gpu-worker"};
constexpr uint64_t kTimes = 1000000000; /* should_fail_ex() counts down from it, with fail-nth too */

struct Parameter {
	const char *option;
	const char *path;
	nlohmann::json value;
	std::string text; /* as it is written */
};

struct Options {
	FaultScope scope; /* all, or a stack */
	std::vector<Parameter> parameters;
	std::vector<std::string> spared; /* functions */
};

FaultOptions silent(const FaultScope &scope)
{
	return {.probability = 0, .interval = 1, .times = kTimes, .space = 0, .verbose = 0, .scope = scope};
}

class FailNthGates : public Injector
{
public:
	explicit FailNthGates(const Options &options)
		: parameters_(options.parameters), spared_(options.spared),
		  slab_(kSlab, silent(options.scope), {{"ignore-gfp-wait", "N"}, {"cache-filter", "N"}}),
		  pages_(kPages, silent(options.scope),
			 {{"ignore-gfp-wait", "N"}, {"ignore-gfp-highmem", "N"}, {"min-order", "0"}})
	{
	}

	Status check(const InjectorSeat &seat) const override
	{
		for (const Parameter &parameter : parameters_)
			if (!seat.root.exists(parameter.path))
				return Error{ENOTSUP, std::string(parameter.path) + " is missing"};
		if (!spared_.empty() && !seat.root.exists(kSpared))
			return Error{ENOTSUP, std::string("spared: ") + kSpared + " is missing"};
		Status status = slab_.check(seat);
		return status ? pages_.check(seat) : status;
	}

	Status arm(const InjectorSeat &seat) override
	{
		Status status = slab_.arm(seat);
		if (status)
			status = pages_.arm(seat);
		for (const Parameter &parameter : parameters_)
			if (status)
				status = seat.journal.turn(seat.root.path(parameter.path), parameter.text);
		if (status && !spared_.empty())
			status = seat.journal.turn(seat.root.path(kSpared), fmt::format("{}", fmt::join(spared_, " ")));
		/* Armed by a client that may be killed meanwhile: who restores puts these back with the rest. */
		for (const char *name : kKernelThreads)
			if (auto threads = matching_tasks(seat.root, name))
				for (const std::string &task : *threads)
					if (status)
						status = seat.journal.turn(
							seat.root.path("/proc/" + task + "/fail-nth"), "0");
		return status;
	}

	void read_counters() override
	{
		slab_.read_counters();
		pages_.read_counters();
	}

	nlohmann::json report() const override
	{
		auto slab = slab_.report();
		auto pages = pages_.report();
		bool counted = slab["fired"].is_number() && pages["fired"].is_number();
		nlohmann::json report = {
			{"injector", kSlab.injector},
			{"settings", {{"failslab", slab["settings"]}, {"fail_page_alloc", pages["settings"]}}},
			{"fired", nullptr},
			{"charged_to", nullptr}};
		for (const Parameter &parameter : parameters_)
			report["settings"][parameter.option] = parameter.value;
		if (!spared_.empty())
			report["settings"]["spared"] = spared_;
		if (counted) {
			report["fired"] = slab["fired"].get<uint64_t>() + pages["fired"].get<uint64_t>();
			report["counts"] = {{"slab objects", slab["fired"]}, {"pages", pages["fired"]}};
		}
		return report;
	}

	bool never_fired() const override { return slab_.never_fired() && pages_.never_fired(); }

private:
	std::vector<Parameter> parameters_;
	std::vector<std::string> spared_;
	FaultInjector slab_;
	FaultInjector pages_;
};

std::unique_ptr<Injector> create(JsonReader reader, const Request & /*request*/)
{
	Options options{};
	if (reader.boolean_or("unstable_ioctls", false))
		options.parameters.push_back({"unstable_ioctls", kUnstable, true, "Y"});
	constexpr uint64_t kMaxTasks = 1000000;
	if (uint64_t tasks = reader.integer_or("max_error_tasks", 0, kMaxTasks, 0))
		options.parameters.push_back({"max_error_tasks", kErrorTasks, tasks, fmt::format("{}", tasks)});
	options.spared = reader.strings_or("spared", {});
	for (const std::string &name : options.spared) /* they are written as one line */
		if (name.empty() || name.find_first_of(" \t\n/") != std::string::npos)
			reader.fail("spared", "names of functions");
	if (reader.has("scope")) {
		JsonReader scope = reader.object("scope");
		options.scope = {ScopeKind::stack, scope.string("stack")};
		scope.finish();
	}
	reader.finish();
	return std::make_unique<FailNthGates>(options);
}

std::string unsupported(const Root &root)
{
	if (!root.exists("/proc/thread-self/fail-nth"))
		return "no /proc/PID/task/TID/fail-nth (CONFIG_FAULT_INJECTION)";
	std::string reason = fault_unsupported(kSlab, root);
	return reason.empty() ? fault_unsupported(kPages, root) : reason;
}

} // namespace

extern const InjectorDescriptor kFailNth;
const InjectorDescriptor kFailNth = {
	.kind = "fail-nth",
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
