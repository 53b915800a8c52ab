/* SPDX-License-Identifier: MIT */
#include "agent/capabilities.h"

#include "injectors/injector.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

nlohmann::json verdict(const std::string &reason)
{
	if (reason.empty())
		return {{"can", true}};
	return {{"can", false}, {"reason", reason}};
}

/* A stressor can run when one driver of this machine lets it. */
nlohmann::json stressor_verdict(const StressorDescriptor &stressor)
{
	nlohmann::json drivers = nlohmann::json::object();
	std::string reasons;
	bool can = false;
	for (const Driver *driver : all_drivers()) {
		std::string reason = stressor.unsupported(*driver);
		drivers[driver->name] = verdict(reason);
		if (reason.empty() && stressor.limits)
			drivers[driver->name]["limits"] = stressor.limits(*driver);
		can |= reason.empty();
		reasons += (reasons.empty() ? "" : "; ") + reason;
	}
	nlohmann::json all = verdict(can ? "" : reasons);
	all["drivers"] = drivers;
	return all;
}

} // namespace

nlohmann::json describe_capabilities(const Root &root)
{
	nlohmann::json drivers = nlohmann::json::object();
	nlohmann::json stressors = nlohmann::json::object();
	nlohmann::json injectors = nlohmann::json::object();
	for (const Driver *driver : all_drivers()) {
		auto context = driver->open();
		drivers[driver->name] = verdict(context ? "" : context.error().reason);
	}
	for (const StressorDescriptor *stressor : all_stressors())
		stressors[stressor->kind] = stressor_verdict(*stressor);
	for (const InjectorDescriptor *injector : all_injectors())
		injectors[injector->kind] = verdict(injector->unsupported(root));
	return {{"schema", "drmsqueeze.capabilities/1"},
		{"agent", DRMSQUEEZE_VERSION},
		{"drivers", drivers},
		{"stressors", stressors},
		{"injectors", injectors}};
}

} // namespace drmsqueeze
