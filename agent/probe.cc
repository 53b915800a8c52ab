/* SPDX-License-Identifier: MIT */
#include "agent/probe.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/mman.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

Status probe_once(const Driver &driver, int64_t limit_ns)
{
	constexpr uint64_t kBytes = 4096;
	constexpr uint64_t kValue = 0x70726f6265206f6b;
	auto context = driver.open();
	if (!context)
		return context.error();
	auto buffer = (*context)->create_buffer(kBytes);
	if (!buffer)
		return buffer.error();
	auto slot = (*context)->create_slot(1);
	if (!slot && slot.error().code == EOPNOTSUPP) /* a driver without jobs: that it makes a BO is all there is */
		return {};
	if (!slot)
		return slot.error();
	GpuWrite write{(*buffer)->address(), kValue};
	(*slot)->describe({&write, 1});
	if (int error = (*slot)->submit(**buffer))
		return Error{error, "submit"};
	if (int error = (*slot)->wait(now_ns() + limit_ns))
		return Error{error, "fence did not signal"};
	auto error = (*slot)->fence_error();
	if (!error)
		return error.error();
	if (*error)
		return Error{*error, "fence error"};
	auto value = (*buffer)->read64(0);
	if (!value)
		return value.error();
	return *value == kValue ? Status() : Status(Error{EIO, "wrong value"});
}

} // namespace

int run_probe(const Driver &driver, const Recorder &recorder, Control &control, int64_t limit_ns)
{
	constexpr int64_t kPoll = 10 * kNsPerMs;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	while (control.probe.load() != ProbeState::wanted)
		sleep_ns(kPoll);
	Status status = probe_once(driver, limit_ns);
	/* The supervisor may have given up on us: then it has said so itself. */
	ProbeState expected = ProbeState::wanted;
	if (!control.probe.compare_exchange_strong(expected, status ? ProbeState::ok : ProbeState::failed))
		return 0;
	std::string text = status ? "probe-ok" : fmt::format("probe-failed {}", status.error().reason);
	recorder.put({.kind = Kind::witness, .a = status.error().code, .text = text});
	return 0;
}

} // namespace drmsqueeze
