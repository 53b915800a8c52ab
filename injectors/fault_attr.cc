/* SPDX-License-Identifier: MIT */
#include "injectors/fault_attr.h"

#include <cerrno>
#include <charconv>
#include <fmt/format.h>

#include "injectors/task_marks.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kNoEnd = UINT64_MAX; /* the kernel's ULONG_MAX: no filter */
constexpr unsigned kStackDepth = 32;    /* MAX_STACK_TRACE_DEPTH */
constexpr const char *kProbability = "probability";
constexpr const char *kOff = "0";

/*
 * Ten lines, and then silence for that long: a log that reports every failure drowns what they lead to, and `times`
 * has the count. The file is named after milliseconds and holds jiffies: lib/fault-inject.c shows the rate limit's own
 * member.
 */
constexpr const char *kLogInterval = "250";
constexpr const char *kLogBurst = "10";

FaultScope parse_scope(JsonReader reader)
{
	static constexpr struct {
		const char *key;
		ScopeKind kind;
	} kScopes[] = {{"stack", ScopeKind::stack}, {"module", ScopeKind::module}, {"thread", ScopeKind::thread}};
	FaultScope scope;
	for (const auto &row : kScopes) {
		if (!reader.has(row.key))
			continue;
		if (scope.kind != ScopeKind::all)
			reader.fail(row.key, "one of stack, module and thread, not two");
		scope.kind = row.kind;
		scope.name = reader.string(row.key);
	}
	reader.finish();
	if (scope.name.empty())
		reader.fail("stack", "one of stack, module and thread, and a name");
	return scope;
}

/** As on the machine, without the root's prefix; the pattern itself where nothing matches. */
std::string directory_of(const FaultKind &kind, const Root &root)
{
	std::string pattern = kind.directory;
	if (pattern.find('*') == std::string::npos)
		return pattern;
	auto found = root.glob(pattern);
	return found.empty() ? pattern : found.front().substr(root.path("").size());
}

} // namespace

FaultOptions parse_fault_options(JsonReader &reader)
{
	FaultOptions options;
	options.probability = reader.integer_or("probability", 1, 100, 100);
	options.interval = reader.integer_or("interval", 1, UINT32_MAX, 1);
	options.times = reader.integer_or("times", 1, INT32_MAX, 1000000);
	options.space = reader.integer_or("space", 0, INT32_MAX, 0);
	options.verbose = reader.integer_or("verbose", 0, 2, 1);
	if (reader.has("scope"))
		options.scope = parse_scope(reader.object("scope"));
	return options;
}

std::string fault_unsupported(const FaultKind &kind, const Root &root)
{
	for (const char *knob : {kProbability, "stacktrace-depth"})
		if (std::string path = fmt::format("{}/{}", directory_of(kind, root), knob); !root.exists(path))
			return fmt::format("{} is missing ({}, CONFIG_FAULT_INJECTION_DEBUG_FS, "
					   "CONFIG_FAULT_INJECTION_STACKTRACE_FILTER, debugfs mounted)",
					   path, kind.config);
	return {};
}

FaultInjector::FaultInjector(const FaultKind &kind, FaultOptions options, std::vector<KnobSetting> own)
	: kind_(kind), options_(std::move(options)), own_(std::move(own))
{
}

std::string FaultInjector::knob_path(const Root &root, std::string_view knob) const
{
	return fmt::format("{}/{}", directory_of(kind_, root), knob);
}

std::vector<KnobSetting> FaultInjector::settings(const TextRange &require) const
{
	std::vector<KnobSetting> settings = {
		{"interval", std::to_string(options_.interval)},
		{"times", std::to_string(options_.times)},
		{"space", std::to_string(options_.space)},
		{"verbose", std::to_string(options_.verbose)},
		{"verbose_ratelimit_interval_ms", kLogInterval},
		{"verbose_ratelimit_burst", kLogBurst},
		{"task-filter", options_.scope.kind == ScopeKind::thread ? "Y" : "N"},
		{"stacktrace-depth", std::to_string(kStackDepth)},
		{"require-start", fmt::format("{:#x}", require.begin)},
		{"require-end", fmt::format("{:#x}", require.end)},
		{"reject-start", "0"},
		{"reject-end", "0"},
	};
	settings.insert(settings.end(), own_.begin(), own_.end());
	settings.push_back({kProbability, kOff});
	return settings;
}

Result<TextRange> FaultInjector::require_range(const Root &root) const
{
	const FaultScope &scope = options_.scope;
	if (scope.kind != ScopeKind::stack && scope.kind != ScopeKind::module)
		return TextRange{0, kNoEnd};
	auto text = root.read("/proc/kallsyms");
	if (!text)
		return text.error();
	auto symbols = Kallsyms::parse(*text);
	if (!symbols)
		return symbols.error();
	return scope.kind == ScopeKind::stack ? symbols->function(scope.name) : symbols->module(scope.name);
}

Status FaultInjector::check(const InjectorSeat &seat) const
{
	for (const KnobSetting &setting : settings({}))
		if (!seat.root.exists(knob_path(seat.root, setting.knob)))
			return Error{ENOTSUP, knob_path(seat.root, setting.knob) + " is missing"};
	auto probability = seat.root.read(knob_path(seat.root, kProbability));
	if (!probability)
		return probability.error();
	if (trimmed(*probability) != kOff)
		return Error{EBUSY, fmt::format("{} is {}: somebody else injects failures here already",
						knob_path(seat.root, kProbability), trimmed(*probability))};
	if (auto range = require_range(seat.root); !range)
		return range.error();
	if (options_.scope.kind == ScopeKind::thread)
		if (auto tasks = matching_tasks(seat.root, options_.scope.name); !tasks && tasks.error().code != ENOENT)
			return tasks.error();
	return {};
}

Status FaultInjector::arm(const InjectorSeat &seat)
{
	auto range = require_range(seat.root);
	if (!range)
		return range.error();
	if (options_.scope.kind == ScopeKind::thread)
		if (Status status = mark_threads(seat); !status)
			return status;
	for (const KnobSetting &setting : settings(*range)) {
		std::string path = seat.root.path(knob_path(seat.root, setting.knob));
		if (Status status = seat.journal.turn(path, setting.value); !status)
			return status;
		auto now = seat.journal.find(path)->read();
		if (!now)
			return now.error();
		read_back_[setting.knob] = trimmed(*now);
	}
	journal_ = &seat.journal;
	times_path_ = seat.root.path(knob_path(seat.root, "times"));
	return {};
}

Status FaultInjector::adjust(const InjectorSeat &seat)
{
	bool on = seat.intensity > 0;
	if (on == on_)
		return {};
	on_ = on;
	std::string value = on ? std::to_string(options_.probability) : kOff;
	Status status = seat.journal.turn(seat.root.path(knob_path(seat.root, kProbability)), value);
	if (status && on)
		read_back_[kProbability] = value; /* turn() has read it back */
	return status;
}

Status FaultInjector::mark_threads(const InjectorSeat &seat)
{
	auto tasks = matching_tasks(seat.root, options_.scope.name);
	if (!tasks)
		return tasks.error();
	for (const std::string &task : *tasks) {
		auto comm = seat.root.read("/proc/" + task + "/comm");
		threads_.push_back(
			fmt::format("{} ({})", comm ? trimmed(*comm) : "ended", task.substr(task.rfind('/') + 1)));
	}
	return seat.journal.mark_tasks(seat.root.path("/proc"), *tasks);
}

void FaultInjector::read_counters()
{
	Knob *times = journal_ ? journal_->find(times_path_) : nullptr;
	if (!times)
		return;
	auto now = times->read();
	uint64_t left = 0;
	if (now && std::from_chars(now->data(), now->data() + now->size(), left).ec == std::errc())
		fired_ = options_.times - left;
}

nlohmann::json FaultInjector::report() const
{
	nlohmann::json settings = read_back_;
	if (options_.scope.kind == ScopeKind::stack)
		settings["scope"] = {{"stack", options_.scope.name}};
	if (options_.scope.kind == ScopeKind::module)
		settings["scope"] = {{"module", options_.scope.name}};
	if (options_.scope.kind == ScopeKind::thread)
		settings["scope"] = {{"thread", options_.scope.name}, {"matched", threads_}};
	return {{"injector", kind_.injector},
		{"settings", settings},
		{"fired", fired_ ? nlohmann::json(*fired_) : nlohmann::json()},
		{"charged_to", nullptr}};
}

} // namespace drmsqueeze
