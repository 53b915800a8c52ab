/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/driver_bo.h"

#include <vector>

#include "agent/clock.h"
#include "stressors/sweep/buffers.h"

namespace drmsqueeze
{

Status OnDriver::set_up()
{
	auto context = find_driver(driver_)->open();
	if (!context)
		return context.error();
	context_ = std::move(*context);
	return {};
}

Status OnDriverBo::set_up()
{
	if (Status status = OnDriver::set_up(); !status)
		return status;
	auto buffer = context_->create_buffer(kBufferBytes);
	if (!buffer)
		return buffer.error();
	buffer_ = std::move(*buffer);
	return {};
}

Status OnDriverBo::check()
{
	auto view = buffer_->map();
	if (!view)
		return view.error();
	if (int error = store_byte(view->data(), 1))
		return status_of(error, "write to the mapping");
	return gpu_writes(*context_, *buffer_, buffer_->address(), kBufferBytes);
}

UniqueFd OnDriverBo::share()
{
	auto dmabuf = buffer_->export_dmabuf();
	return dmabuf ? std::move(*dmabuf) : UniqueFd();
}

Status gpu_writes(Context &context, const Buffer &buffer, uint64_t address, uint64_t bytes)
{
	constexpr uint64_t kPage = 4096;
	constexpr int64_t kLimit = 20 * kNsPerS; /* longer than the watchdog: it is the one to speak */
	std::vector<GpuWrite> writes;
	for (uint64_t offset = 0; offset < bytes; offset += kPage)
		writes.push_back({address + offset, offset});
	auto slot = context.create_slot(static_cast<unsigned>(writes.size()));
	if (!slot)
		return slot.error();
	(*slot)->describe(writes);
	if (int error = (*slot)->submit(buffer))
		return status_of(error, "SUBMIT");
	if (int error = (*slot)->wait(now_ns() + kLimit))
		return status_of(error, "wait for a job");
	auto error = (*slot)->fence_error();
	if (!error)
		return error.error();
	return status_of(*error, "a job that writes to every page: " + std::to_string((*slot)->writes_done()) + " of " +
					 std::to_string(writes.size()) + " done; fence");
}

Status driver_works(const char *driver, int dmabuf)
{
	auto context = find_driver(driver)->open();
	if (!context)
		return context.error();
	auto buffer =
		dmabuf >= 0 ? (*context)->import_dmabuf(dmabuf, kBufferBytes) : (*context)->create_buffer(kBufferBytes);
	if (!buffer)
		return buffer.error();
	return gpu_writes(**context, **buffer, (*buffer)->address(), kBufferBytes);
}

} // namespace drmsqueeze
