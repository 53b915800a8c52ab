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
	return {{"ok", reason.empty()}, {"reason", reason.empty() ? nlohmann::json() : nlohmann::json(reason)}};
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
		for (const StressorDescriptor *stressor : all_stressors())
			stressors[stressor->kind][driver->name] = verdict(stressor->unsupported(*driver));
	}
	for (const InjectorDescriptor *injector : all_injectors())
		injectors[injector->kind] = verdict(injector->unsupported(root));
	return {{"schema", "drmsqueeze.capabilities/1"},
		{"agent", DRMSQUEEZE_VERSION},
		{"drivers", drivers},
		{"stressors", stressors},
		{"injectors", injectors}};
}

} // namespace drmsqueeze
