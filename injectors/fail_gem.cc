/* SPDX-License-Identifier: MIT */
/*
 * fail-gem-alloc, fail-gem-iova: msm's own failure points (msm_drv.c), before it makes a BO or gives one an address of
 * the GPU. The driver has one of each for all its devices; what `space` counts is the bytes of BOs.
 */
#include "injectors/fault_attr.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kConfig = "the driver msm, CONFIG_FAULT_INJECTION";
constexpr FaultKind kAlloc = {"fail-gem-alloc", "/sys/kernel/debug/dri/*/fail_gem_alloc", kConfig};
constexpr FaultKind kIova = {"fail-gem-iova", "/sys/kernel/debug/dri/*/fail_gem_iova", kConfig};

template <const FaultKind &kind>
std::unique_ptr<Injector> create(JsonReader reader, const Request & /*request*/)
{
	FaultOptions options = parse_fault_options(reader);
	reader.finish();
	return std::make_unique<FaultInjector>(kind, std::move(options), std::vector<KnobSetting>());
}

template <const FaultKind &kind>
std::string unsupported(const Root &root)
{
	return fault_unsupported(kind, root);
}

} // namespace

extern const InjectorDescriptor kFailGemAlloc;
const InjectorDescriptor kFailGemAlloc = {
	.kind = kAlloc.injector,
	.create = create<kAlloc>,
	.unsupported = unsupported<kAlloc>,
};

extern const InjectorDescriptor kFailGemIova;
const InjectorDescriptor kFailGemIova = {
	.kind = kIova.injector,
	.create = create<kIova>,
	.unsupported = unsupported<kIova>,
};

} // namespace drmsqueeze
