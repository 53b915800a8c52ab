/* SPDX-License-Identifier: MIT */
#include "stressors/heap_leaver.h"

#include <atomic>
#include <cerrno>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"
#include "stressors/patience.h"

namespace drmsqueeze
{

namespace
{

/** A fence alone: whatever the job had besides may be gone. */
class FenceOnly : public JobSlot
{
public:
	explicit FenceOnly(const SyncFile &fence) : fence_(fence) {}
	void describe(std::span<const GpuWrite> /*writes*/) override {}
	int submit(const Memory & /*memory*/) override { return EINVAL; }
	int wait(int64_t until_ns) override { return fence_.wait(until_ns); }
	Result<int> fence_error() override { return fence_.error(); }
	Result<int64_t> signalled_ns() override { return fence_.signalled_ns(); }
	unsigned writes_done() const override { return 0; }

private:
	const SyncFile &fence_;
};

constexpr int kNotYet = -1;
constexpr int kNoJob = -2;

Result<SyncFile> fence_of(pid_t process, int fd)
{
	UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
	UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0)));
	if (!copy.valid())
		return error_of("pidfd_getfd");
	return SyncFile(std::move(copy));
}

} // namespace

void HeapLeaver::run()
{
	Pace due(options_.rate_hz);
	for (uint64_t n = 0; n < options_.jobs; n++) {
		due.wait();
		if (!may_go_on(seat_))
			return;
		uint64_t job = seat_.table.begin(slot_, {.client = seat_.client,
							 .context = seat_.context,
							 .thread = thread_,
							 .bytes = options_.pattern.bytes,
							 .stressor = options_.stressor,
							 .deadline_ns = seat_.request.deadline_ns,
							 .queue = thread_});
		auto left = options_.leave == Taken::process ? in_another_process(job) : in_this_process(job);
		if (!left) {
			seat_.table.end(slot_, {Fate::failed, left.error().code, kSubmitFailed, left.error().reason});
			continue;
		}
		FenceOnly fence(*left);
		if (judge_.wait(fence))
			judge_.judge(fence, slot_, 0, [] { return 0U; });
	}
}

void HeapLeaver::dwell() const
{
	sleep_ns(static_cast<int64_t>(static_cast<double>(options_.leave_ns) * seat_.request.time_scale));
}

Result<SyncFile> HeapLeaver::submit(Owned &owned, uint64_t job)
{
	auto context = seat_.driver.open();
	if (!context)
		return context.error();
	owned.context = std::move(*context);
	auto grower = Grower::create(*owned.context, options_.shape, 0, options_.pattern.count());
	if (!grower)
		return grower.error();
	owned.grower = std::move(*grower);
	const auto &[heap, slot] = owned.grower;
	options_.pattern.fill(writes_, heap->address(), 0, seat_.request.seed, job);
	if (Status status = slot->describe_heap(*heap, writes_, options_.pattern.bytes); !status)
		return status.error();
	if (int error = slot->submit(*heap))
		return Error{error, "submit"};
	auto fence = patiently<UniqueFd>([&] { return owned.grower.slot->export_fence(); });
	if (!fence)
		return fence.error();
	return SyncFile(std::move(*fence));
}

Result<SyncFile> HeapLeaver::in_this_process(uint64_t job)
{
	Owned owned;
	int64_t begin = now_ns();
	auto left = submit(owned, job);
	if (!left)
		return left;
	seat_.table.submitted(slot_, now_ns() - begin);
	dwell();
	if (Status status = owned.context->take_away(*options_.leave, 0, owned.grower.heap.get()); !status)
		return status.error();
	if (*options_.leave == Taken::file)
		return left; /* with all that is owned */
	/* The others go when the job is through, or it would lose them too. */
	while (left->wait(now_ns() + 100 * kNsPerMs) == ETIME && seat_.control.phase.load() != Phase::over)
		;
	return left;
}

Result<SyncFile> HeapLeaver::in_another_process(uint64_t job)
{
	if (!news_)
		news_ = new (shared_memory(sizeof(News))) News();
	news_->fence.store(kNotYet);
	auto other = spawn(kClientComm, kFirstOomKilled, [&] {
		Owned owned;
		auto mine = submit(owned, job);
		news_->error.store(mine ? 0 : mine.error().code);
		news_->fence.store(mine ? mine->fd() : kNoJob);
		for (;;)
			pause();
		return 0;
	});
	if (!other)
		return other.error();
	while (news_->fence.load() == kNotYet && seat_.control.phase.load() != Phase::over)
		sleep_ns(kNsPerMs);
	Result<SyncFile> left = SyncFile(); /* none when the run is over */
	if (int fence = news_->fence.load(); fence == kNoJob)
		left = Error{news_->error.load(), "submit in another process"};
	else if (fence >= 0)
		left = fence_of(*other, fence);
	if (left) {
		seat_.table.submitted(slot_, 0);
		dwell();
	}
	while (!kill_and_reap(*other, kNsPerS) && seat_.control.phase.load() != Phase::over)
		;
	return left;
}

} // namespace drmsqueeze
