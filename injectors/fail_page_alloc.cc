/* SPDX-License-Identifier: MIT */
/*
 * fail-page-alloc: makes page allocations fail (lib/fault-inject.c, Documentation/fault-injection). Every knob is
 * written, none is left as somebody else had it. What fired is counted from `times`, which is therefore finite: the
 * log's own messages are silenced by __GFP_NOWARN. An injected failure hits the allocation before reclaim could run, so
 * it tests error paths and says nothing about GFP flags.
 */
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fnmatch.h>
#include <optional>

#include "injectors/injector.h"
#include "injectors/kallsyms.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "fail-page-alloc";
constexpr std::string_view kDirectory = "/sys/kernel/debug/fail_page_alloc";
constexpr uint64_t kNoEnd = UINT64_MAX; /* the kernel's ULONG_MAX: no filter */
constexpr unsigned kStackDepth = 32;    /* MAX_STACK_TRACE_DEPTH */

enum class ScopeKind { all, stack, module, thread };

struct Scope {
	ScopeKind kind = ScopeKind::all;
	std::string name; /* function, module, or glob over thread names */
};

struct Options {
	uint64_t probability;
	uint64_t interval;
	uint64_t times;
	uint64_t space;
	uint64_t verbose;
	uint64_t min_order;
	bool ignore_gfp_wait;
	bool ignore_gfp_highmem;
	Scope scope;
};

Scope parse_scope(JsonReader reader)
{
	static constexpr struct {
		const char *key;
		ScopeKind kind;
	} kScopes[] = {{"stack", ScopeKind::stack}, {"module", ScopeKind::module}, {"thread", ScopeKind::thread}};
	Scope scope;
	for (const auto &row : kScopes) {
		if (!reader.has(row.key))
			continue;
		if (scope.kind != ScopeKind::all)
			reader.fail(row.key, "one of stack, module and thread, not two");
		scope = {row.kind, reader.string(row.key)};
	}
	reader.finish();
	if (scope.kind == ScopeKind::all)
		reader.fail("stack", "stack, module or thread");
	return scope;
}

Options parse_options(JsonReader reader)
{
	Options options;
	options.probability = reader.integer_or("probability", 0, 100, 100);
	options.interval = reader.integer_or("interval", 1, UINT32_MAX, 1);
	options.times = reader.integer_or("times", 1, INT32_MAX, 1000000);
	options.space = reader.integer_or("space", 0, INT32_MAX, 0);
	options.verbose = reader.integer_or("verbose", 0, 2, 1);
	options.min_order = reader.integer_or("min_order", 0, 20, 0);
	options.ignore_gfp_wait = reader.boolean_or("ignore_gfp_wait", false);
	options.ignore_gfp_highmem = reader.boolean_or("ignore_gfp_highmem", false);
	if (reader.has("scope"))
		options.scope = parse_scope(reader.object("scope"));
	reader.finish();
	return options;
}

struct Setting {
	const char *knob;
	std::string value;
};

/* `probability` is the trigger: last here, so the last to be turned and the first to be put back. */
std::vector<Setting> settings_of(const Options &options, const TextRange &require)
{
	return {
		{"interval", std::to_string(options.interval)},
		{"times", std::to_string(options.times)},
		{"space", std::to_string(options.space)},
		{"verbose", std::to_string(options.verbose)},
		{"task-filter", options.scope.kind == ScopeKind::thread ? "Y" : "N"},
		{"min-order", std::to_string(options.min_order)},
		{"ignore-gfp-wait", options.ignore_gfp_wait ? "Y" : "N"},
		{"ignore-gfp-highmem", options.ignore_gfp_highmem ? "Y" : "N"},
		{"stacktrace-depth", std::to_string(kStackDepth)},
		{"require-start", fmt::format("{:#x}", require.begin)},
		{"require-end", fmt::format("{:#x}", require.end)},
		{"reject-start", "0"},
		{"reject-end", "0"},
		{"probability", std::to_string(options.probability)},
	};
}

std::string knob_path(const char *knob)
{
	return fmt::format("{}/{}", kDirectory, knob);
}

Result<TextRange> require_range(const Root &root, const Scope &scope)
{
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

/* /proc lists processes only; the threads of the kernel are processes of their own. */
Result<std::vector<std::string>> matching_threads(const Root &root, const std::string &glob)
{
	std::vector<std::string> files;
	std::error_code error;
	for (const auto &entry : std::filesystem::directory_iterator(root.path("/proc"), error)) {
		std::string pid = entry.path().filename().string();
		if (pid.find_first_not_of("0123456789") != std::string::npos)
			continue;
		auto comm = root.read("/proc/" + pid + "/comm");
		if (comm && fnmatch(glob.c_str(), trimmed(*comm).c_str(), 0) == 0)
			files.push_back("/proc/" + pid + "/make-it-fail");
	}
	if (files.empty())
		return Error{ENOENT, "no thread is named like '" + glob + "'"};
	for (const auto &file : files)
		if (!root.exists(file))
			return Error{ENOTSUP, file + " is missing: kernel without CONFIG_FAULT_INJECTION"};
	return files;
}

class FailPageAlloc : public Injector
{
public:
	explicit FailPageAlloc(Options options) : options_(std::move(options)) {}

	Status check(const InjectorSeat &seat) const override
	{
		for (const Setting &setting : settings_of(options_, {}))
			if (!seat.root.exists(knob_path(setting.knob)))
				return Error{ENOTSUP, knob_path(setting.knob) + " is missing"};
		if (auto range = require_range(seat.root, options_.scope); !range)
			return range.error();
		if (options_.scope.kind == ScopeKind::thread)
			if (auto threads = matching_threads(seat.root, options_.scope.name); !threads)
				return threads.error();
		return {};
	}

	Status arm(const InjectorSeat &seat) override
	{
		auto range = require_range(seat.root, options_.scope);
		if (!range)
			return range.error();
		if (options_.scope.kind == ScopeKind::thread) {
			auto threads = matching_threads(seat.root, options_.scope.name);
			if (!threads)
				return threads.error();
			for (const std::string &file : *threads)
				if (Status status = seat.journal.turn(seat.root.path(file), "1"); !status)
					return status;
			threads_ = *threads;
		}
		for (const Setting &setting : settings_of(options_, *range))
			if (Status status = turn(seat, setting); !status)
				return status;
		journal_ = &seat.journal;
		times_path_ = seat.root.path(knob_path("times"));
		return {};
	}

	void read_counters() override
	{
		Knob *times = journal_ ? journal_->find(times_path_) : nullptr;
		if (!times)
			return;
		auto now = times->read();
		uint64_t left = 0;
		if (now && std::from_chars(now->data(), now->data() + now->size(), left).ec == std::errc())
			fired_ = options_.times - left;
	}

	nlohmann::json report() const override
	{
		nlohmann::json settings = read_back_;
		if (options_.scope.kind == ScopeKind::stack)
			settings["scope"] = {{"stack", options_.scope.name}};
		if (options_.scope.kind == ScopeKind::module)
			settings["scope"] = {{"module", options_.scope.name}};
		if (options_.scope.kind == ScopeKind::thread)
			settings["scope"] = {{"thread", options_.scope.name}, {"matched", threads_}};
		return {{"injector", kName},
			{"settings", settings},
			{"fired", fired_ ? nlohmann::json(*fired_) : nlohmann::json()},
			{"charged_to", nullptr}};
	}

	bool never_fired() const override { return fired_ == 0U; }

private:
	Status turn(const InjectorSeat &seat, const Setting &setting)
	{
		std::string path = seat.root.path(knob_path(setting.knob));
		if (Status status = seat.journal.turn(path, setting.value); !status)
			return status;
		Knob *knob = seat.journal.find(path);
		auto now = knob->read();
		if (!now)
			return now.error();
		knob->prepare();
		read_back_[setting.knob] = trimmed(*now);
		return {};
	}

	Options options_;
	nlohmann::json read_back_ = nlohmann::json::object();
	std::vector<std::string> threads_;
	RestoreJournal *journal_ = nullptr;
	std::string times_path_;
	std::optional<uint64_t> fired_;
};

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<FailPageAlloc>(parse_options(std::move(options)));
}

std::string unsupported(const Root &root)
{
	for (const char *knob : {"probability", "stacktrace-depth"})
		if (!root.exists(knob_path(knob)))
			return knob_path(knob) +
			       " is missing (CONFIG_FAIL_PAGE_ALLOC, CONFIG_FAULT_INJECTION_DEBUG_FS, "
			       "CONFIG_FAULT_INJECTION_STACKTRACE_FILTER, debugfs mounted)";
	return {};
}

} // namespace

extern const InjectorDescriptor kFailPageAlloc;
const InjectorDescriptor kFailPageAlloc = {
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
	.armed_last = true,
};

} // namespace drmsqueeze
