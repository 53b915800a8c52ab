/* SPDX-License-Identifier: MIT */
#include "stressors/sync_bench.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

#include "agent/clock.h"
#include "stressors/patience.h"

namespace drmsqueeze
{

namespace
{

bool writes(Access access)
{
	return (static_cast<uint32_t>(access) & static_cast<uint32_t>(Access::write)) != 0;
}

size_t count_pending(const std::vector<FenceInfo> &fences)
{
	return static_cast<size_t>(
		std::count_if(fences.begin(), fences.end(), [](const FenceInfo &fence) { return fence.status == 0; }));
}

} // namespace

SyncBench::SyncBench(const SyncDevices &devices, const Exporter &exporter, bool mutated, std::function<bool()> may_wait)
	: devices_(devices), exporter_(exporter), mutated_(mutated), may_wait_(std::move(may_wait)), fences_(1)
{
	fences_.front().pending = false;
	if (auto exported = take(exporter.create()))
		exported_ = std::move(*exported);
}

SyncBench::Fence SyncBench::fence()
{
	if (stopped())
		return 0;
	auto timeline = take(SwSyncTimeline::open());
	if (!timeline)
		return 0;
	Entry entry;
	entry.timeline = std::make_shared<SwSyncTimeline>(std::move(*timeline));
	entry.on = fences_.size();
	entry.value = 1;
	auto file = take(entry.timeline->create_fence(entry.value));
	if (!file)
		return 0;
	entry.file = std::move(*file);
	fences_.push_back(std::move(entry));
	return fences_.size() - 1;
}

SyncBench::Fence SyncBench::fence_after(Fence other)
{
	if (stopped())
		return 0;
	Entry entry;
	entry.timeline = fences_[other].timeline;
	entry.on = fences_[other].on;
	entry.value = fences_[other].value + 1;
	auto file = take(entry.timeline->create_fence(entry.value));
	if (!file)
		return 0;
	entry.file = std::move(*file);
	fences_.push_back(std::move(entry));
	return fences_.size() - 1;
}

SyncBench::Fence SyncBench::attach(Access access)
{
	if (stopped())
		return 0;
	auto vgem = take(VgemFence::attach(exporter_.context()->fd(), bo()->handle(), writes(access)));
	if (!vgem)
		return 0;
	Entry entry;
	entry.vgem = std::move(*vgem);
	entry.on = fences_.size();
	entry.access = access;
	fences_.push_back(std::move(entry));
	return fences_.size() - 1;
}

void SyncBench::adopt(const SyncFile *file, Access access, Fence after)
{
	UniqueFd copy(file ? dup(file->fd()) : -1);
	verifiable_ &= copy.valid();
	Entry entry;
	entry.file = SyncFile(std::move(copy));
	entry.access = access;
	entry.on = fences_.size();
	entry.after = after;
	fences_.push_back(std::move(entry));
}

void SyncBench::signal(Fence fence)
{
	if (stopped())
		return;
	Entry &entry = fences_[fence];
	entry.pending = false;
	require(entry.vgem ? entry.vgem->signal() : entry.timeline->increment(1));
}

void SyncBench::abandon(Fence fence)
{
	if (stopped())
		return;
	fences_[fence].pending = false;
	fences_[fence].timeline->close();
}

void SyncBench::import(const SyncFile &file, std::initializer_list<Fence> fences, Access access)
{
	if (stopped())
		return;
	require(exported_.dmabuf.import_sync_file(file, access));
	if (!stopped())
		for (Fence fence : fences)
			fences_[fence].access = access;
}

SyncFile SyncBench::snapshot(Access access)
{
	if (stopped())
		return {};
	return take(exported_.dmabuf.export_sync_file(access)).value_or(SyncFile());
}

SyncFile SyncBench::merge(const SyncFile &one, const SyncFile &other)
{
	if (stopped())
		return {};
	return take(one.merge(other)).value_or(SyncFile());
}

std::vector<FenceInfo> SyncBench::fences_of(const SyncFile &file)
{
	if (stopped())
		return {};
	return take(file.fences()).value_or(std::vector<FenceInfo>());
}

void SyncBench::wait(const SyncFile &file)
{
	constexpr int64_t kSlice = 100 * kNsPerMs;
	while (!stopped()) {
		int error = file.wait(now_ns() + kSlice);
		if (error == 0)
			return;
		if (error != ETIME && error != EINTR)
			require(Error{error, "poll of a sync file"});
		else if (!may_wait_())
			require(Error{ETIME, "the run was over before the fence signalled"});
	}
}

int64_t SyncBench::signalled_at(const SyncFile &file)
{
	auto fences = fences_of(file);
	return fences.empty() ? -1 : fences.front().timestamp_ns;
}

void SyncBench::expect(bool kept, const char *rule)
{
	if (!kept && !stopped())
		violated(rule);
}

void SyncBench::expect_pending(const SyncFile &file, size_t pending, const char *rule)
{
	auto fences = fences_of(file);
	expect(count_pending(fences) == pending, rule);
}

void SyncBench::expect_status(const SyncFile &file, int status, const char *rule)
{
	if (stopped())
		return;
	if (auto found = take(file.status()))
		expect(found->status == status, rule);
}

void SyncBench::look_for_hidden_error(const SyncFile &file)
{
	if (stopped())
		return;
	if (auto found = take(file.status()))
		hidden_error_ = found->status == 1;
}

void SyncBench::require(const Status &status)
{
	if (!status && !stopped())
		problem_ = Verdict{Verdict::failed, status.error().code, status.error().reason};
}

SyncBench::Verdict SyncBench::finish()
{
	if (problem_ && (problem_->what == Verdict::violated || exported_.dmabuf.fd() < 0))
		return *problem_;
	await_jobs();
	if (!verifiable_) {
		problem_->unverified = true;
		return *problem_;
	}
	for (Access access : {Access::read, Access::write}) {
		auto seen = found(access);
		if (!seen && problem_) {
			problem_->unverified = true;
			return *problem_;
		}
		if (!seen)
			return {Verdict::failed, seen.error().code, seen.error().reason};
		if (*seen == modelled(access))
			continue;
		auto reason = fmt::format("{}: {} fences for {} instead of {}",
					  problem_ ? "an error changed the reservation" : "a fence lost or added",
					  *seen, writes(access) ? "writers" : "readers", modelled(access));
		return {Verdict::violated, 0, reason};
	}
	return problem_.value_or(Verdict());
}

void SyncBench::await_jobs()
{
	constexpr int64_t kSlice = 100 * kNsPerMs;
	for (Entry &entry : fences_) {
		if (entry.after == 0 || fences_[entry.after].pending || entry.file.fd() < 0)
			continue;
		while (entry.file.wait(now_ns() + kSlice) != 0 && may_wait_())
			;
		entry.pending = false;
	}
}

size_t SyncBench::modelled(Access access) const
{
	std::vector<size_t> timelines;
	for (const Entry &entry : fences_) {
		bool counts = writes(access) ? entry.access != Access::none : writes(entry.access);
		bool known = std::find(timelines.begin(), timelines.end(), entry.on) != timelines.end();
		if (entry.pending && counts && !known)
			timelines.push_back(entry.on);
	}
	return timelines.size();
}

Result<size_t> SyncBench::found(Access access) const
{
	return patiently<size_t>([&]() -> Result<size_t> {
		auto file = exported_.dmabuf.export_sync_file(access);
		if (!file)
			return file.error();
		auto fences = file->fences();
		if (!fences)
			return fences.error();
		return count_pending(*fences);
	});
}

void SyncBench::violated(const char *rule)
{
	problem_ = Verdict{Verdict::violated, 0, rule};
}

} // namespace drmsqueeze
