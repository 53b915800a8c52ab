/* SPDX-License-Identifier: MIT */
#include "injectors/injector.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kHog;
extern const InjectorDescriptor kStressNg;
extern const InjectorDescriptor kFailFunction;
extern const InjectorDescriptor kFailGemAlloc;
extern const InjectorDescriptor kFailGemIova;
extern const InjectorDescriptor kFailNth;
extern const InjectorDescriptor kFailPageAlloc;
extern const InjectorDescriptor kFailSlab;
extern const InjectorDescriptor kMemcg;
extern const InjectorDescriptor kModelFault;
extern const InjectorDescriptor kShrinkerScan;
extern const InjectorDescriptor kTrap;
extern const InjectorDescriptor kTtmLimits;

namespace
{

constexpr const InjectorDescriptor *kInjectors[] = {
	&kHog,       &kFailFunction, &kFailNth,      &kFailPageAlloc, &kFailSlab, &kFailGemAlloc, &kFailGemIova,
	&kTtmLimits, &kModelFault,   &kShrinkerScan, &kTrap,          &kMemcg,    &kStressNg,
};

} // namespace

std::span<const InjectorDescriptor *const> all_injectors()
{
	return kInjectors;
}

const InjectorDescriptor &injector_of(const Item &item)
{
	std::string known;
	for (const InjectorDescriptor *injector : kInjectors) {
		if (item.kind == injector->kind)
			return *injector;
		known += known.empty() ? injector->kind : std::string(", ") + injector->kind;
	}
	item.reader.fail("kind", "one of " + known);
}

} // namespace drmsqueeze
