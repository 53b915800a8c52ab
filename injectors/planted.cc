/* SPDX-License-Identifier: MIT */
/*
 * model-fault and trap: faults planted on purpose, in the GPU model and in the kernel, through their debugfs files. A
 * report says that they were planted. Both count what fired, and one that promised to fire and did not is told.
 */
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <optional>

#include "agent/unique_fd.h"
#include "injectors/injector.h"

#include <fcntl.h>

namespace drmsqueeze
{

namespace
{

constexpr std::string_view kTree = "/sys/kernel/debug/drmsqueeze";

/** A read-only counter; debugfs gives its value once for each open, so the last reading's descriptor waits open. */
class Counter
{
public:
	bool open(const std::string &path)
	{
		auto start = read(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
		last_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
		start_ = start.value_or(0);
		return start && last_.valid();
	}

	std::optional<uint64_t> final_increase()
	{
		auto now = read(std::move(last_));
		return now ? std::optional(*now - start_) : std::nullopt;
	}

private:
	static std::optional<uint64_t> read(UniqueFd fd)
	{
		char text[32];
		uint64_t value = 0;
		ssize_t got = ::read(fd.get(), text, sizeof(text));
		if (got <= 0 || std::from_chars(text, text + got, value).ec != std::errc())
			return std::nullopt;
		return value;
	}

	UniqueFd last_;
	uint64_t start_ = 0;
};

/** A file to be written, and the counter that shows its effect. */
class Planted : public Injector
{
public:
	Planted(const char *kind, std::string name, std::string knob, std::string counter, std::string value,
		nlohmann::json settings)
		: kind_(kind), name_(std::move(name)), knob_(std::move(knob)), counter_path_(std::move(counter)),
		  value_(std::move(value)), settings_(std::move(settings))
	{
	}

	Status check(const InjectorSeat &seat) const override
	{
		for (const std::string &file : {knob_, counter_path_})
			if (!seat.root.exists(file))
				return Error{ENOTSUP, fmt::format("{} {}: {} is missing", kind_, name_, file)};
		return {};
	}

	Status arm(const InjectorSeat &seat) override
	{
		if (!counter_.open(seat.root.path(counter_path_)))
			return Error{EIO, counter_path_ + ": not a number"};
		return seat.journal.turn(seat.root.path(knob_), value_);
	}

	void read_counters() override { fired_ = counter_.final_increase(); }

	nlohmann::json report() const override
	{
		return {{"injector", kind_},
			{"settings", settings_},
			{"planted", true},
			{"fired", fired_ ? nlohmann::json(*fired_) : nlohmann::json()},
			{"charged_to", nullptr}};
	}

	bool never_fired() const override { return fired_ == 0U; }

private:
	const char *kind_;
	std::string name_;
	std::string knob_;
	std::string counter_path_;
	std::string value_;
	nlohmann::json settings_;
	Counter counter_;
	std::optional<uint64_t> fired_;
};

std::unique_ptr<Injector> create_model_fault(JsonReader reader, const Request &request)
{
	std::string fault = reader.plain_name("fault");
	uint64_t nth = reader.integer_or("nth", 1, INT32_MAX, 1);
	int64_t count = reader.has("count") ? reader.signed_integer("count") : 1;
	if (count == 0 || count < -1)
		reader.fail("count", "a number above 0, or -1 for no end");
	uint64_t value = reader.integer_or("value", 0, INT64_MAX, 0);
	reader.finish();
	if (request.model.empty())
		reader.fail("fault", "a target with a model");
	std::string directory = fmt::format("{}/{}", kTree, request.model);
	return std::make_unique<Planted>(
		"model-fault", fault, directory + "/faults/" + fault, directory + "/counters/fired_" + fault,
		fmt::format("{} {} {}", nth, count, value),
		nlohmann::json{{"fault", fault}, {"nth", nth}, {"count", count}, {"value", value}});
}

std::unique_ptr<Injector> create_trap(JsonReader reader, const Request & /*request*/)
{
	std::string trap = reader.plain_name("trap");
	reader.finish();
	std::string directory = fmt::format("{}/traps/{}", kTree, trap);
	return std::make_unique<Planted>("trap", trap, directory + "/armed", directory + "/fired", "1",
					 nlohmann::json{{"trap", trap}});
}

std::string model_fault_unsupported(const Root &root)
{
	return root.exists(kTree) ? "" : fmt::format("{} is missing: no GPU model is loaded", kTree);
}

std::string trap_unsupported(const Root &root)
{
	std::string traps = fmt::format("{}/traps", kTree);
	return root.exists(traps) ? "" : traps + " is missing: no trap module is loaded";
}

} // namespace

extern const InjectorDescriptor kModelFault;
const InjectorDescriptor kModelFault = {
	.kind = "model-fault",
	.create = create_model_fault,
	.unsupported = model_fault_unsupported,
};

extern const InjectorDescriptor kTrap;
const InjectorDescriptor kTrap = {
	.kind = "trap",
	.create = create_trap,
	.unsupported = trap_unsupported,
};

} // namespace drmsqueeze
