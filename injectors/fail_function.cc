/* SPDX-License-Identifier: MIT */
/*
 * fail-function: makes calls of a function return an error without being executed (kernel/fail_function.c). The kernel
 * allows it for functions that it lists; a driver's own are there when an object linked into it says so
 * (lab/injectable/).
 *
 * The decision is made in a kprobe's handler. Where that is a breakpoint's, as in a kernel without function tracing, it
 * is no task's context (exc_int3() enters as an NMI does): a thread's mark is then never looked at.
 */
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>

#include "agent/unique_fd.h"
#include "injectors/fault_attr.h"
#include "injectors/injectable.h"

namespace drmsqueeze
{

namespace
{

constexpr FaultKind kKind = {"fail-function", "/sys/kernel/debug/fail_function", "CONFIG_FAIL_FUNCTION"};

/* There where kprobes at a function's begin are calls of the tracer (CONFIG_KPROBES_ON_FTRACE). */
constexpr std::string_view kTracedKprobes = " kprobe_ftrace_handler\n";

/** Writes an unsigned number (-12 is refused) and reads it back; the file answers in hex without "0x". */
Status write_return_value(const Root &root, const std::string &path, uint64_t value)
{
	std::string text = fmt::format("{:#x}", value);
	UniqueFd fd(open(root.path(path).c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
	if (!fd.valid() || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		return Error{errno, fmt::format("{}: write of {}: {}", path, text, strerror(errno))};
	auto now = root.read(path);
	if (!now)
		return now.error();
	std::string shown = trimmed(*now);
	if (!same_setting(shown.starts_with("0x") ? shown : "0x" + shown, text))
		return Error{EIO, fmt::format("{}: wrote {}, reads {}", path, text, shown)};
	return {};
}

class FailFunction : public FaultInjector
{
public:
	FailFunction(FaultOptions options, std::string function, std::string wanted)
		: FaultInjector(kKind, std::move(options), {}), function_(std::move(function)),
		  wanted_(std::move(wanted))
	{
	}

	Status check(const InjectorSeat &seat) const override
	{
		auto value = return_value(seat.root);
		if (!value)
			return value.error();
		auto others = seat.root.read(knob_path(seat.root, "inject"));
		if (!others)
			return others.error();
		if (!trimmed(*others).empty())
			return Error{EBUSY, fmt::format("{} has {} already, which would fail too",
							knob_path(seat.root, "inject"), trimmed(*others))};
		if (options().scope.kind == ScopeKind::thread) {
			auto symbols = seat.root.read("/proc/kallsyms");
			if (!symbols || symbols->find(kTracedKprobes) == std::string::npos)
				return Error{ENOTSUP,
					     "fail-function: no scope `thread` in a kernel whose kprobes are "
					     "breakpoints (no CONFIG_KPROBES_ON_FTRACE): their handler is in no task"};
		}
		return FaultInjector::check(seat);
	}

	/* Its file goes with the function: what undoes the injection undoes the value. */
	Status arm(const InjectorSeat &seat) override
	{
		auto value = return_value(seat.root);
		if (!value)
			return value.error();
		returned_ = fmt::format("{}", static_cast<int64_t>(*value));
		if (Status status = seat.journal.add(seat.root.path(knob_path(seat.root, "inject")), function_);
		    !status)
			return status;
		if (Status status = write_return_value(seat.root, knob_path(seat.root, function_ + "/retval"), *value);
		    !status)
			return status;
		return FaultInjector::arm(seat);
	}

	nlohmann::json report() const override
	{
		auto report = FaultInjector::report();
		report["settings"]["function"] = function_;
		report["settings"]["retval"] = returned_;
		return report;
	}

private:
	Result<uint64_t> return_value(const Root &root) const
	{
		auto list = root.read(kInjectableList);
		if (!list)
			return list.error();
		auto injectable = find_injectable(*list, function_);
		if (!injectable)
			return Error{injectable.error().code,
				     fmt::format("fail-function: {}", injectable.error().reason)};
		return injected_value(*injectable, wanted_);
	}

	std::string function_;
	std::string wanted_;   /* what to return, as the scenario says it */
	std::string returned_; /* the same as a number */
};

std::unique_ptr<Injector> create(JsonReader reader, const Request & /*request*/)
{
	FaultOptions options = parse_fault_options(reader);
	std::string function = reader.string("function");
	std::string wanted = reader.has("retval") ? reader.string("retval") : "";
	reader.finish();
	if (function.empty() || function.starts_with('.') || function.find_first_of(" \t\n!/") != std::string::npos)
		reader.fail("function", std::string("the name of a function in ") + kInjectableList);
	return std::make_unique<FailFunction>(std::move(options), std::move(function), std::move(wanted));
}

std::string unsupported(const Root &root)
{
	if (!root.exists(kInjectableList))
		return fmt::format("{} is missing (CONFIG_FUNCTION_ERROR_INJECTION, debugfs mounted)", kInjectableList);
	return fault_unsupported(kKind, root);
}

} // namespace

extern const InjectorDescriptor kFailFunction;
const InjectorDescriptor kFailFunction = {
	.kind = kKind.injector,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
