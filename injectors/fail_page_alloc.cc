/* SPDX-License-Identifier: MIT */
/*
 * fail-page-alloc: makes page allocations fail (mm/fail_page_alloc.c). The kernel has a lowest order and no highest.
 * It can spare allocations that may block, or those of memory that needs no kernel mapping, and cannot spare the
 * others; __GFP_NOFAIL it never fails.
 */
#include "injectors/fault_attr.h"

namespace drmsqueeze
{

namespace
{

constexpr FaultKind kKind = {"fail-page-alloc", "/sys/kernel/debug/fail_page_alloc", "CONFIG_FAIL_PAGE_ALLOC"};
constexpr uint64_t kMaxOrder = 20;

/* Which allocations fail, and how the kernel's two switches say it. */
constexpr struct {
	const char *name;
	const char *ignore_wait;
	const char *ignore_highmem;
} kGfpClasses[] = {
	{"any", "N", "N"},
	{"no-wait", "Y", "N"},
	{"no-highmem", "N", "Y"},
	{"no-wait-no-highmem", "Y", "Y"},
};

std::unique_ptr<Injector> create(JsonReader reader, const Request & /*request*/)
{
	FaultOptions options = parse_fault_options(reader);
	uint64_t min_order = reader.integer_or("min_order", 0, kMaxOrder, 0);
	std::string gfp = reader.one_of_or("gfp", {"any", "no-wait", "no-highmem", "no-wait-no-highmem"}, "any");
	reader.finish();
	std::vector<KnobSetting> own = {{"min-order", std::to_string(min_order)}};
	for (const auto &row : kGfpClasses)
		if (gfp == row.name) {
			own.push_back({"ignore-gfp-wait", row.ignore_wait});
			own.push_back({"ignore-gfp-highmem", row.ignore_highmem});
		}
	return std::make_unique<FaultInjector>(kKind, std::move(options), std::move(own));
}

std::string unsupported(const Root &root)
{
	return fault_unsupported(kKind, root);
}

} // namespace

extern const InjectorDescriptor kFailPageAlloc;
const InjectorDescriptor kFailPageAlloc = {
	.kind = kKind.injector,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
