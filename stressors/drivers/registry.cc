/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/driver.h"

#include <algorithm>

#include "stressors/drm/sync.h"

namespace drmsqueeze
{

extern const Driver kBochs;
extern const Driver kLima;
extern const Driver kMsm;
extern const Driver kPanfrost;
extern const Driver kPanthor;
extern const Driver kQxl;
extern const Driver kVgem;
extern const Driver kVirtioGpu;
extern const Driver kVkms;
extern const Driver kVmwgfx;

namespace
{

constexpr const Driver *kDrivers[] = {
	&kPanfrost, &kPanthor, &kLima, &kMsm, &kVgem, &kVkms, &kBochs, &kVirtioGpu, &kQxl, &kVmwgfx,
};

} // namespace

/* Threads that share a BO may come at once, and a view that was replaced is gone for who reads through it. */
Result<uint64_t> Buffer::read64(uint64_t offset)
{
	std::lock_guard guard(lock_);
	if (!view_.valid()) {
		auto view = map();
		if (!view)
			return view.error();
		view_ = std::move(*view);
	}
	return view_.load64(offset);
}

int JobSlot::end(int64_t until_ns)
{
	if (int error = wait(until_ns))
		return error;
	auto error = fence_error();
	return error ? *error : error.error().code;
}

int JobSlot::run(const Memory &memory, int64_t until_ns)
{
	if (int error = submit(memory))
		return error;
	return end(until_ns);
}

Result<int64_t> JobSlot::signalled_ns()
{
	auto file = export_fence();
	if (!file)
		return file.error();
	return SyncFile(std::move(*file)).signalled_ns();
}

Result<unsigned> JobSlot::first_wrong(Memory &heap, std::span<const GpuWrite> writes)
{
	Buffer *buffer = heap.buffer();
	if (!buffer)
		return Error{EOPNOTSUPP, "heaps cannot be read"};
	unsigned index = 0;
	for (const GpuWrite &write : writes) {
		auto found = buffer->read64(write.address - heap.address());
		if (!found)
			return found.error();
		if (*found != write.value)
			break;
		index++;
	}
	return index;
}

std::span<const Driver *const> all_drivers()
{
	return kDrivers;
}

const Driver *find_driver(std::string_view name)
{
	for (const Driver *driver : kDrivers)
		if (name == driver->name)
			return driver;
	return nullptr;
}

LogSign sign_of(const Driver &driver, std::string_view line)
{
	for (const LogRule &rule : driver.log_rules)
		if (line.find(rule.contains) != std::string_view::npos)
			return rule.sign;
	return LogSign::none;
}

bool may_be_timeout(const Driver &driver, int error)
{
	return std::ranges::any_of(driver.outcome_rules, [error](const OutcomeRule &rule) {
		return rule.role == TimeoutRole::culprit && (rule.error == 0 || rule.error == error);
	});
}

const OutcomeRule &outcome_of(const Driver &driver, int error, TimeoutRole role)
{
	for (const OutcomeRule &rule : driver.outcome_rules)
		if ((rule.error == 0 || rule.error == error) && rule.role == role)
			return rule;
	return driver.outcome_rules.back();
}

} // namespace drmsqueeze
