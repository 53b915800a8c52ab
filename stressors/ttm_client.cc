/* SPDX-License-Identifier: MIT */
#include "stressors/ttm_client.h"

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

void raise_to(std::atomic<int64_t> &most, int64_t value)
{
	int64_t seen = most.load();
	while (value > seen && !most.compare_exchange_weak(seen, value)) {
	}
}

template <typename Work>
auto timed(TtmStep &step, Work work)
{
	int64_t begin = now_ns();
	auto result = work();
	step.add(now_ns() - begin);
	return result;
}

} // namespace

TtmClient::TtmClient(const TtmOptions &options, const ClientSeat &seat, Context &context, TtmShared &shared)
	: options_(options), seat_(seat), context_(context), shared_(shared), files_(Root(), shared.vram),
	  set_(options.bos), random_(HeapPattern::value(seat.request.seed, seat.client, 0))
{
}

void TtmClient::run()
{
	Pace pace(options_.rate_hz);
	for (uint64_t n = 0; n < options_.jobs && may_go_on(seat_); n++) {
		pace.wait();
		uint64_t job = seat_.table.begin(seat_.first_slot, {.client = seat_.client,
								    .context = seat_.context,
								    .thread = 0,
								    .bytes = options_.bo_bytes,
								    .stressor = kStressor,
								    .deadline_ns = seat_.request.deadline_ns});
		TtmVerdict verdict = cycle(set_[n < set_.size() ? n : (next_random() >> 8) % set_.size()], job);
		seat_.table.end(seat_.first_slot,
				{.fate = verdict.fate, .error = verdict.error, .reason = verdict.reason});
		sample();
	}
}

TtmVerdict TtmClient::cycle(std::optional<TtmBo> &bo, uint64_t job)
{
	for (uint32_t i = 0; i < options_.swap_outs; i++)
		swap_out();
	if (bo) {
		TtmVerdict verdict = timed(shared_.verify, [&] { return bo->verify(seat_.request.seed); });
		count(verdict);
		if (verdict.fate == Fate::corrupted) /* one loss is one job's */
			bo.reset();
		if (!verdict.good())
			return verdict;
	}
	constexpr double kUnit = 1UL << 32;
	if (!bo || static_cast<double>(next_random() >> 32) < options_.replace * kUnit)
		if (TtmVerdict verdict = renew(bo); !verdict.good())
			return verdict;
	TtmVerdict verdict = timed(shared_.write, [&] { return bo->write(seat_.request.seed, job); });
	if (!verdict.good()) {
		shared_.sigbus.fetch_add(1);
		bo.reset(); /* half written */
	}
	return verdict;
}

void TtmClient::count(const TtmVerdict &verdict)
{
	auto &counter = verdict.good()                    ? shared_.verified
			: verdict.fate == Fate::corrupted ? shared_.corrupted
							  : shared_.sigbus;
	counter.fetch_add(1);
}

TtmVerdict TtmClient::renew(std::optional<TtmBo> &bo)
{
	bo.reset();
	int64_t vram = files_.vram_bytes();
	auto made = timed(shared_.create, [&]() -> Result<TtmBo> {
		auto buffer = context_.create_buffer(options_.bo_bytes);
		return buffer ? TtmBo::create(std::move(*buffer)) : Result<TtmBo>(buffer.error());
	});
	if (!made) {
		shared_.create_failed.fetch_add(1);
		return {Fate::failed, made.error().code, made.error().reason};
	}
	/* Exact as long as nobody else allocates at the same moment. */
	int64_t pushed_out = vram + static_cast<int64_t>(options_.bo_bytes) - files_.vram_bytes();
	if (new_evicts(shared_.vram) && pushed_out > 0)
		shared_.evicted_bytes.fetch_add(pushed_out);
	bo.emplace(std::move(*made));
	return {};
}

void TtmClient::swap_out()
{
	auto pages = timed(shared_.swap_out, [&] { return files_.swap_out(); });
	if (!pages) {
		shared_.swap_out_failed.fetch_add(1);
	} else if (*pages == 0) {
		shared_.swap_out_none.fetch_add(1);
	} else {
		shared_.swapped_bos.fetch_add(1);
		shared_.swapped_pages.fetch_add(*pages);
	}
}

void TtmClient::sample()
{
	TtmState now = files_.read();
	raise_to(shared_.most_buffer_objects, now.buffer_objects);
	raise_to(shared_.most_pool_pages, now.pool_pages);
	raise_to(shared_.most_shmem_kib, now.shmem_kib);
	raise_to(shared_.most_vram_kib, now.vram_kib);
}

} // namespace drmsqueeze
