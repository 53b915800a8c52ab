/* SPDX-License-Identifier: MIT */
#include "agent/scenario.h"

#include "agent/clock.h"
#include "agent/detectors.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxMs = 24UL * 3600 * 1000;
constexpr double kMaxScale = 10000;

/* Members of a scenario that are for the harness, or for whoever reads the results. */
constexpr std::initializer_list<const char *> kNotForAgent = {
	"schema", "description", "machine", "levels",     "deadline_ms", "grace_ms", "driver_timeout_ms",
	"seed",   "runs",        "expect",  "time_scale",
};

void add_items(std::vector<Item> &items, std::vector<JsonReader> readers, const char *kind)
{
	for (auto &reader : readers) {
		std::string name = kind ? kind : reader.string("kind");
		items.push_back({std::move(name), std::move(reader)});
	}
}

std::vector<ScenarioPhase> parse_phases(std::vector<JsonReader> readers)
{
	std::vector<ScenarioPhase> phases;
	double now = 0;
	for (auto &reader : readers) {
		ScenarioPhase phase;
		phase.kind = reader.one_of("kind", {"ramp", "hold", "release", "rest"});
		phase.duration_ns = static_cast<int64_t>(reader.number("duration_ms", 1, kMaxMs) * kNsPerMs);
		phase.to = phase.kind == "hold" ? now : 0;
		if (phase.kind == "ramp")
			phase.to = reader.number_or("to", 0, 1, 1);
		phase.from = phase.kind == "ramp" ? now : phase.to;
		now = phase.to;
		reader.ignore({"expect"});
		reader.finish();
		phases.push_back(phase);
	}
	return phases;
}

void parse_scenario(Request &request, JsonReader scenario)
{
	scenario.ignore(kNotForAgent);
	request.name = scenario.plain_name("name");
	JsonReader target = scenario.object("target");
	request.driver = target.string("driver");
	if (target.has("model"))
		request.model = target.plain_name("model");
	target.ignore({"companions"}); /* other drivers that take part: their modules are loaded */
	target.finish();
	add_items(request.stressors, scenario.objects("stressors"), nullptr);
	if (request.stressors.empty())
		scenario.fail("stressors", "at least one stressor");
	add_items(request.injectors, scenario.objects("injectors"), nullptr);
	add_items(request.injectors, scenario.objects("model_faults"), "model-fault");
	add_items(request.injectors, scenario.objects("traps"), "trap");
	request.phases = parse_phases(scenario.objects("phases"));
	scenario.finish();
}

nlohmann::json parse_json(std::string_view text)
{
	try {
		return nlohmann::json::parse(text);
	} catch (const nlohmann::json::exception &error) {
		throw ScenarioError("/", error.what(), "JSON");
	}
}

} // namespace

Request parse_request(std::string_view text)
{
	Request request;
	request.document = std::make_shared<const nlohmann::json>(parse_json(text));
	JsonReader reader(*request.document, "");
	reader.one_of("schema", {"drmsqueeze.request/1"});
	reader.ignore({"driver_timeout_ms"});
	parse_scenario(request, reader.object("scenario"));
	request.level = reader.number("level", 0.0, 1.0);
	request.seed = reader.integer("seed", 0, UINT64_MAX);
	request.time_scale = reader.number("time_scale", 0.0, kMaxScale);
	if (request.time_scale <= 0)
		reader.fail("time_scale", "a number above 0");
	request.deadline_ns = static_cast<int64_t>(reader.number("deadline_ms", 1, kMaxMs) * kNsPerMs);
	request.grace_ns = static_cast<int64_t>(reader.number("grace_ms", 1, kMaxMs) * kNsPerMs);
	if (reader.has("witness_limits_ms")) {
		JsonReader limits = reader.object("witness_limits_ms");
		request.no_progress_ns = static_cast<int64_t>(limits.number("no_progress", 1, kMaxMs) * kNsPerMs);
		request.d_state_ns = static_cast<int64_t>(limits.number("d_state", 1, kMaxMs) * kNsPerMs);
		limits.finish();
	}
	if (reader.has("detectors_s")) {
		JsonReader limits = reader.object("detectors_s");
		for (const Detector &detector : kDetectors)
			if (limits.has(detector.name))
				request.detectors_s[detector.name] = limits.integer(detector.name, 1, kMostDetectorS);
		limits.finish();
	}
	reader.finish();
	return request;
}

} // namespace drmsqueeze
