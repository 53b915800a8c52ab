/* SPDX-License-Identifier: MIT */
/*
 * device-fault: a compute job that waits for memory, and a job with a fence that waits for the compute job, as in
 * "Recoverable Hardware Page Faults Implications" of the kernel's dma-buf documentation. The compute job writes to
 * memory that the GPU shares with a process, and waits in a device fault until that process, the pager, has provided
 * the page. The jobs behind it want its shader cores, or stand behind it in its queue. Whoever provides memory and
 * waits for a fence of those jobs meanwhile (a trap sees to that) closes the circle.
 *
 * Three clients, as they would be three programs: context 0 submits the compute jobs, context 1 those behind them, and
 * context 2 is the pager.
 */
#include <new>
#include <sys/mman.h>

#include "agent/root.h"
#include "stressors/device_fault_jobs.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxFaultMib = 1024;
constexpr uint64_t kMaxBehind = 16;
constexpr uint64_t kMaxJobs = 1000 * 1000;

DeviceFaultOptions parse_options(JsonReader reader)
{
	DeviceFaultOptions options;
	std::string form = reader.one_of_or("form", {"reclaim", "invalidation"}, "reclaim");
	options.form = form == "reclaim" ? PagerForm::reclaim : PagerForm::invalidation;
	std::string shared = reader.one_of_or("shared", {"cores", "queue"}, "cores");
	options.queue = shared == "cores" ? GpuQueue::fragment : GpuQueue::geometry;
	options.jobs = static_cast<uint32_t>(reader.integer_or("jobs", 1, kMaxJobs, 1));
	options.behind = static_cast<uint32_t>(reader.integer_or("behind", 1, kMaxBehind, 1));
	options.fault_bytes = reader.integer_or("fault_mib", 1, kMaxFaultMib, 16) << 20;
	reader.finish();
	return options;
}

class DeviceFault : public Stressor
{
public:
	explicit DeviceFault(const DeviceFaultOptions &options) : options_(options)
	{
		if (void *memory = shared_memory(sizeof(FaultState)))
			state_ = new (memory) FaultState();
	}

	uint32_t clients() const override { return kPager + 1; }
	uint32_t slots_per_client() const override { return options_.behind; }

	Status prepare(const Driver & /*driver*/) override
	{
		return state_ ? Status() : Error{ENOMEM, "no shared memory"};
	}

	Status run_client(const ClientSeat &seat) override
	{
		return seat.context == kPager ? page(seat) : submit(seat);
	}

	nlohmann::json report() const override
	{
		return {{"counts",
			 {{"device faults served", state_->served.load()},
			  {"pages provided", state_->pages.load()},
			  {"tries of the pager that failed", state_->retries.load()}}}};
	}

private:
	enum Part : uint32_t { kCompute, kBehind, kPager };

	Status submit(const ClientSeat &seat)
	{
		bool compute = seat.context == kCompute;
		FaultJobs jobs(options_, seat, *state_);
		if (Status status =
			    jobs.set_up(compute ? 1 : options_.behind, compute ? GpuQueue::geometry : options_.queue);
		    !status)
			return status;
		mlockall(MCL_CURRENT);
		if (!wait_for_run(seat))
			return {};
		if (compute) {
			jobs.run_compute();
			state_->finished.store(1);
		} else {
			jobs.run_behind();
		}
		return {};
	}

	/* Not locked: the memory that it provides is to be like any other. */
	Status page(const ClientSeat &seat)
	{
		DevicePager pager(seat, *state_, options_.form, options_.fault_bytes);
		if (Status status = pager.set_up(); !status)
			return status;
		if (wait_for_run(seat))
			pager.run();
		return {};
	}

	DeviceFaultOptions options_;
	FaultState *state_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<DeviceFault>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	auto slot = (*context)->create_slot(1);
	if (!slot)
		return slot.error().reason;
	if (Status status = (*slot)->choose_queue(GpuQueue::fragment); !status)
		return status.error().reason;
	if (!Root().exists(Dmirror::kFile))
		return std::string(Dmirror::kFile) + " is missing: the module test_hmm is not loaded";
	/* No GPU of this driver has device faults, but our model does. */
	return Root().exists(DevicePager::fault_file("mali-jm")) ? "" : "the GPU has no device faults";
}

} // namespace

extern const StressorDescriptor kDeviceFault;
const StressorDescriptor kDeviceFault = {
	.kind = FaultJobs::kStressor,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
