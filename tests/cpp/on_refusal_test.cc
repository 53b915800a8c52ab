/* SPDX-License-Identifier: MIT */
/* What clients do about refused memory, on a GPU whose heaps share a pool of chunks. */
#include "stressors/on_refusal.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <thread>

#include "agent/clock.h"
#include "stressors/heap_submitter.h"
#include "tests/cpp/fake_driver.h"
#include "tests/cpp/local_ring.h"

namespace drmsqueeze
{

extern const StressorDescriptor kTilerHeap;

namespace
{

using nlohmann::json;

constexpr uint64_t kChunk = HeapGrowths::kChunk;
constexpr OutcomeRule kRules[] = {
	{EINVAL, TimeoutRole::none, Fate::failed, true, 0, "GPU fault"},
	{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"},
};
const Driver kPooled = {
	.name = "pooled", .module = "pooled", .log_rules = {}, .outcome_rules = kRules, .open = nullptr};

/** What all heaps and BOs are made of, and what is to go wrong. */
struct Pool {
	std::atomic<int> chunks{100};
	int refusals = 0;          /* growths that are refused whatever there is */
	int no_heaps = 0;          /* heaps that cannot be made */
	int fence_error = EINVAL;  /* of a job whose heap could not grow */
	bool fault_at_end = false; /* and not before all was written */
	int spoiled = 0;           /* the job whose last value is wrong */
	int heaps = 0, jobs = 0;
	FakeDriver bos;

	bool take()
	{
		if (refusals > 0)
			return refusals--, false;
		int left = chunks.load();
		while (left > 0 && !chunks.compare_exchange_weak(left, left - 1))
			;
		return left > 0;
	}
};

class PooledMemory : public FakeBuffer
{
public:
	PooledMemory(Pool &pool, uint64_t bytes, bool whole) : FakeBuffer(pool.bos, bytes), pool_(pool)
	{
		while (whole && taken * kChunk < bytes)
			taken += pool_.take();
	}
	~PooledMemory() override { pool_.chunks += taken; }
	Result<uint64_t> read64(uint64_t offset) override { return map()->load64(offset); }
	bool grow() { return pool_.take() && ++taken; }
	int taken = 0;

private:
	Pool &pool_;
};

class PooledSlot : public JobSlot
{
public:
	explicit PooledSlot(Pool &pool) : pool_(pool) {}
	void describe(std::span<const GpuWrite> writes) override { writes_.assign(writes.begin(), writes.end()); }
	int submit(const Memory &memory) override
	{
		auto &heap = dynamic_cast<PooledMemory &>(const_cast<Memory &>(memory));
		auto mapped = heap.map();
		const Mapping &view = *mapped;
		const bool spoil = ++pool_.jobs == pool_.spoiled;
		done_ = 0;
		for (const GpuWrite &write : writes_) {
			while (write.address >= heap.taken * kChunk && !pool_.fault_at_end)
				if (!heap.grow())
					return 0;
			view.store64(write.address, write.value + (spoil && &write == &writes_.back()));
			done_++;
		}
		return 0;
	}
	int wait(int64_t /*until_ns*/) override { return 0; }
	Result<int> fence_error() override
	{
		return done_ < writes_.size() || pool_.fault_at_end ? pool_.fence_error : 0;
	}
	unsigned writes_done() const override { return done_; }

private:
	Pool &pool_;
	std::vector<GpuWrite> writes_;
	unsigned done_ = 0;
};

class PooledContext : public Context
{
public:
	explicit PooledContext(Pool &pool) : pool_(pool) {}
	int fd() const override { return -1; }
	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		if (pool_.chunks < static_cast<int>(bytes / kChunk))
			return Error{ENOMEM, "pool"};
		return std::unique_ptr<Buffer>(new PooledMemory(pool_, bytes, true));
	}
	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		if (pool_.no_heaps > 0 && pool_.no_heaps--)
			return Error{ENOMEM, "no heap"};
		pool_.heaps++;
		return std::unique_ptr<Memory>(new PooledMemory(pool_, shape.bytes, false));
	}
	Result<std::unique_ptr<JobSlot>> create_slot(unsigned /*max_writes*/, uint32_t /*group*/) override
	{
		return std::unique_ptr<JobSlot>(new PooledSlot(pool_));
	}

private:
	Pool &pool_;
};

class OnRefusalTest : public testing::Test
{
protected:
	OnRefusalTest()
	{
		request_.deadline_ns = 1000 * kNsPerS;
		request_.seed = 5;
		control_->phase.store(Phase::run);
		options_.pattern = {.bytes = 8 * kChunk, .step = kChunk};
		options_.shape.bytes = options_.pattern.bytes;
		options_.jobs = 1;
		options_.refusal.wait_ns = kNsPerMs;
	}

	void run(OnRefusal policy)
	{
		options_.refusal.policy = policy;
		PooledContext context(pool_);
		IdleCache cache(context, options_.refusal.cache_bytes);
		ASSERT_TRUE(cache.fill());
		HeapSubmitter submitter(options_, seat_, context, nullptr, 0,
					{.growths = nullptr, .refusals = shared_, .cache = &cache});
		ASSERT_TRUE(submitter.set_up());
		submitter.run();
		for (const Record &record : ring_.read()) {
			kinds_[Kind(record.kind)]++;
			if (Kind(record.kind) == Kind::end)
				ends_.push_back(record);
		}
		EXPECT_EQ(kinds_[Kind::intent], options_.jobs);
		EXPECT_EQ(kinds_[Kind::end], options_.jobs) << "each job has one fate";
		EXPECT_EQ(table_.in_flight(), 0U);
	}

	Fate fate(size_t job = 0) const { return static_cast<Fate>(ends_.at(job).code); }
	uint64_t remedies(Remedy end) const { return shared_->counts.remedies[static_cast<size_t>(end)].load(); }
	bool in_vain(Remedy end) const
	{
		return fate() == Fate::failed && remedies(end) == 1 && shared_->counts.given_up == 1;
	}

	Pool pool_;
	LocalRing ring_{1024};
	Control *control_ = make_control();
	JobTable table_ = *JobTable::create(4, control_, ring_.recorder());
	Request request_;
	ClientSeat seat_{request_, kPooled, ring_.recorder(), *control_, table_, 0, 0, 0};
	TilerHeapOptions options_;
	RefusalShared *shared_ = new (shared_memory(sizeof(RefusalShared))) RefusalShared();
	std::map<Kind, uint64_t> kinds_;
	std::vector<Record> ends_;
};

TEST_F(OnRefusalTest, FailTriesNothing)
{
	pool_.refusals = 1;
	run(OnRefusal::fail);
	EXPECT_EQ(fate(), Fate::failed);
	EXPECT_EQ(kinds_[Kind::submit], 1U);
	EXPECT_EQ(kinds_[Kind::refused] + kinds_[Kind::remedied], 0U);
	EXPECT_EQ(shared_->counts.refused, 1U);
}

TEST_F(OnRefusalTest, WhereNothingIsRefusedPoliciesDoNothing)
{
	options_.jobs = 3;
	for (OnRefusal policy : {OnRefusal::retry, OnRefusal::wait_for_peer, OnRefusal::split_work}) {
		kinds_.clear();
		run(policy);
		EXPECT_EQ(kinds_[Kind::submit], 3U);
		EXPECT_EQ(shared_->counts.refused, 0U);
	}
}

TEST_F(OnRefusalTest, RetrySubmitsAgainAfterAPause)
{
	pool_.refusals = 2;
	run(OnRefusal::retry);
	EXPECT_EQ(fate(), Fate::completed);
	EXPECT_EQ(kinds_[Kind::submit], 3U);
	EXPECT_EQ(kinds_[Kind::refused], 2U);
	EXPECT_EQ(remedies(Remedy::applied), 2U);
	EXPECT_EQ(shared_->counts.repaired, 1U);
	EXPECT_GE(ends_[0].b, 3 * kNsPerMs) << "from the first submit to the last fence: pauses of 1 and 2 ms";
	EXPECT_EQ(pool_.heaps, 3) << "each attempt begins with an empty heap";
}

TEST_F(OnRefusalTest, RetryEndsWhereTheRefusalStays)
{
	pool_.chunks = 7;
	run(OnRefusal::retry);
	EXPECT_TRUE(in_vain(Remedy::used_up));
	EXPECT_EQ(kinds_[Kind::submit], 1U + options_.refusal.tries);
	EXPECT_EQ(shared_->counts.refused, 1U + options_.refusal.tries);
	EXPECT_EQ(pool_.chunks, 7) << "nothing is kept";
}

TEST_F(OnRefusalTest, ASubmitThatLacksMemoryIsRefusedToo)
{
	pool_.no_heaps = 1;
	run(OnRefusal::retry);
	EXPECT_EQ(fate(), Fate::completed);
	EXPECT_EQ(shared_->counts.refused, 1U);
}

TEST_F(OnRefusalTest, OtherFailuresAreNotRepaired)
{
	pool_.refusals = 1;
	pool_.fence_error = ECANCELED;
	run(OnRefusal::retry);
	EXPECT_EQ(fate(), Fate::failed);
	EXPECT_EQ(shared_->counts.refused, 0U);
}

TEST_F(OnRefusalTest, AFaultThatComesWhenAllIsWrittenIsNoRefusal)
{
	pool_.fault_at_end = true;
	run(OnRefusal::retry);
	EXPECT_EQ(fate(), Fate::failed);
	EXPECT_EQ(shared_->counts.refused, 0U);
}

TEST_F(OnRefusalTest, NoAttemptBeginsInTheSecondHalfOfAJobsTime)
{
	request_.deadline_ns = kNsPerS;
	options_.refusal.wait_ns = kNsPerS;
	pool_.refusals = 1;
	run(OnRefusal::retry);
	EXPECT_TRUE(in_vain(Remedy::too_late));
	EXPECT_EQ(kinds_[Kind::submit], 1U);
}

TEST_F(OnRefusalTest, AJobThatSomebodyElseHasEndedIsLeftAlone)
{
	table_.begin(0, {.client = 0, .context = 0, .thread = 0, .bytes = 0, .stressor = "", .deadline_ns = kNsPerS});
	table_.end(0, {Fate::hung});
	options_.refusal.policy = OnRefusal::retry;
	RefusalPolicy policy(options_.refusal, seat_, shared_, nullptr);
	RefusalPolicy::OfJob job;
	std::vector<HeapPart> parts{{0, 8}};
	EXPECT_FALSE(policy.again(0, job, EINVAL, parts));
}

TEST_F(OnRefusalTest, WaitForPeerGoesOnWhenAnotherHasFreedItsHeap)
{
	pool_.chunks = 8;
	options_.refusal.wait_ns = 100 * kNsPerS;
	HeapPeer other(&shared_->peers);
	auto held = std::make_unique<PooledMemory>(pool_, kChunk, true);
	other.made();
	std::thread peer([&] {
		while (shared_->peers.may_free.load() > 1 || shared_->counts.refused.load() == 0)
			sleep_ns(kNsPerMs);
		held.reset();
		other.freed();
	});
	run(OnRefusal::wait_for_peer);
	peer.join();
	EXPECT_EQ(fate(), Fate::completed);
	EXPECT_EQ(remedies(Remedy::applied), 1U);
	EXPECT_EQ(shared_->counts.repaired, 1U);
}

TEST_F(OnRefusalTest, WaitForPeerDoesNotWaitForNobody)
{
	pool_.chunks = 7;
	options_.refusal.wait_ns = 100 * kNsPerS;
	run(OnRefusal::wait_for_peer);
	EXPECT_TRUE(in_vain(Remedy::nothing));
}

TEST_F(OnRefusalTest, AWaitRunsOutWhereThePeerFreesNothing)
{
	pool_.chunks = 7;
	HeapPeer other(&shared_->peers);
	other.made();
	run(OnRefusal::wait_for_peer);
	EXPECT_TRUE(in_vain(Remedy::ran_out));
}

/* Each has a heap and waits for the other's: one of them gives up, and the other gets what that frees. */
TEST_F(OnRefusalTest, OfThoseWhoWaitForEachOtherOneYields)
{
	constexpr int kPeers = 4;
	std::atomic<int> ready = 0;
	std::vector<Remedy> ends(kPeers);
	std::vector<std::thread> threads;
	for (int i = 0; i < kPeers; i++)
		threads.emplace_back([&, i] {
			HeapPeer peer(&shared_->peers);
			peer.made();
			peer.look();
			for (ready++; ready.load() < kPeers;)
				sleep_ns(kNsPerMs);
			ends[i] = peer.wait(now_ns() + 1000 * kNsPerS, [] { return false; });
			peer.freed();
		});
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(std::ranges::count(ends, Remedy::circle), 1);
	EXPECT_EQ(std::ranges::count(ends, Remedy::applied), kPeers - 1);
	EXPECT_EQ(shared_->peers.heaps, 0U);
	EXPECT_EQ(shared_->peers.may_free, 0U);
}

/** May have one heap; asked for a second, it says so when another context has one too. */
class StingyContext : public PooledContext
{
public:
	StingyContext(Pool &pool, std::atomic<int> &made) : PooledContext(pool), made_(made) {}
	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		if (mine_) {
			while (made_.load() < 2)
				sleep_ns(kNsPerMs);
			return Error{ENOMEM, "one heap only"};
		}
		mine_ = true;
		made_++;
		return PooledContext::create_heap(shape);
	}

private:
	std::atomic<int> &made_;
	bool mine_ = false;
};

TEST_F(OnRefusalTest, ClientsThatWaitWithHeapsInHandEnd)
{
	options_.jobs = 4;
	options_.in_flight = 2;
	options_.refusal.policy = OnRefusal::wait_for_peer;
	options_.refusal.wait_ns = 300 * kNsPerS;
	std::atomic<int> made = 0;
	std::vector<std::thread> clients;
	for (uint32_t i = 0; i < 2; i++)
		clients.emplace_back([&, i] {
			Pool pool;
			StingyContext context(pool, made);
			ClientSeat seat{request_, kPooled, ring_.recorder(), *control_, table_, i, i, 2 * i};
			HeapSubmitter submitter(options_, seat, context, nullptr, 0,
						{.growths = nullptr, .refusals = shared_, .cache = nullptr});
			ASSERT_TRUE(submitter.set_up());
			submitter.run();
		});
	for (std::thread &client : clients)
		client.join();
	EXPECT_GE(remedies(Remedy::circle), 1U) << "told";
	EXPECT_EQ(remedies(Remedy::ran_out), 0U) << "and not sat out";
	std::map<Fate, int> fates;
	for (const Record &record : ring_.read())
		if (Kind(record.kind) == Kind::end)
			fates[static_cast<Fate>(record.code)]++;
	EXPECT_EQ(fates, (std::map<Fate, int>{{Fate::completed, 2}, {Fate::failed, 6}}));
}

TEST_F(OnRefusalTest, AFreeBetweenTheRefusalAndTheWaitIsNotMissed)
{
	HeapPeer one(&shared_->peers);
	HeapPeer other(&shared_->peers);
	other.made();
	one.look();
	other.freed();
	EXPECT_EQ(one.wait(0, [] { return false; }), Remedy::applied);
}

TEST_F(OnRefusalTest, AWaitEndsWithTheRun)
{
	HeapPeer one(&shared_->peers);
	HeapPeer other(&shared_->peers);
	other.made();
	one.look();
	EXPECT_EQ(one.wait(now_ns() + 1000 * kNsPerS, [] { return true; }), Remedy::too_late);
}

TEST_F(OnRefusalTest, EvictCacheGivesBackWhatTheClientDoesNotNeed)
{
	pool_.chunks = 10;
	options_.refusal.cache_bytes = 4 * kChunk;
	options_.jobs = 2;
	run(OnRefusal::evict_cache);
	EXPECT_EQ(fate(0), Fate::completed);
	EXPECT_EQ(fate(1), Fate::completed) << "one BO has come into the cache meanwhile, and fits in";
	EXPECT_EQ(shared_->counts.evicted_bytes, 4 * kChunk);
	EXPECT_EQ(shared_->counts.refused, 1U);
}

TEST_F(OnRefusalTest, EvictCacheEndsWhereTheCacheIsEmpty)
{
	pool_.chunks = 7;
	options_.refusal.cache_bytes = 2 * kChunk;
	run(OnRefusal::evict_cache);
	EXPECT_TRUE(in_vain(Remedy::nothing));
	EXPECT_EQ(remedies(Remedy::applied), 1U) << "it had two BOs";
}

TEST_F(OnRefusalTest, WhatTheKernelHasPurgedIsNothingToEvict)
{
	pool_.chunks = 9;
	pool_.bos.purged = {1, 2};
	options_.refusal.cache_bytes = 2 * kChunk;
	run(OnRefusal::evict_cache);
	EXPECT_TRUE(in_vain(Remedy::nothing));
	EXPECT_EQ(shared_->counts.evicted_bytes, 0U);
}

TEST_F(OnRefusalTest, SplitWorkTakesHalfTheHeapTwice)
{
	pool_.chunks = 4;
	run(OnRefusal::split_work);
	EXPECT_EQ(fate(), Fate::completed);
	EXPECT_EQ(kinds_[Kind::submit], 3U);
	EXPECT_EQ(pool_.heaps, 3);
	EXPECT_EQ(shared_->counts.refused, 1U);
}

TEST_F(OnRefusalTest, SplitWorkSplitsHalvesToo)
{
	pool_.chunks = 2;
	run(OnRefusal::split_work);
	EXPECT_EQ(fate(), Fate::completed);
	EXPECT_EQ(kinds_[Kind::submit], 1U + 2 + 4) << "the whole, a half, two quarters; a half, two quarters";
	EXPECT_EQ(shared_->counts.refused, 3U);
}

TEST_F(OnRefusalTest, SplitWorkEndsWhereOneValueIsTooMuch)
{
	pool_.chunks = 0;
	options_.refusal.tries = 100;
	run(OnRefusal::split_work);
	EXPECT_TRUE(in_vain(Remedy::nothing));
	EXPECT_EQ(kinds_[Kind::submit], 4U) << "8, 4, 2, 1 values";
}

TEST_F(OnRefusalTest, EachHalfIsReadBack)
{
	for (int part : {2, 3}) {
		kinds_.clear();
		ends_.clear();
		pool_.jobs = 0;
		pool_.chunks = 4;
		pool_.spoiled = part;
		run(OnRefusal::split_work);
		EXPECT_EQ(fate(), Fate::corrupted) << "part " << part;
	}
}

/* A growth that is refused ends so; what else ends otherwise must not be tried again. */
TEST(OnRefusalDrivers, WhichErrorsMayBeRefusals)
{
	constexpr struct {
		const char *driver;
		int refusal;
		int other;
	} kDrivers[] = {{"panfrost", EINVAL, ECANCELED}, {"lima", ECANCELED, EINVAL}, {"panthor", EINVAL, ECANCELED}};
	for (const auto &[name, refusal, other] : kDrivers) {
		const Driver &driver = *find_driver(name);
		EXPECT_TRUE(outcome_of(driver, refusal, TimeoutRole::none).may_be_refusal) << name;
		EXPECT_FALSE(outcome_of(driver, other, TimeoutRole::none).may_be_refusal) << name;
		EXPECT_FALSE(outcome_of(driver, refusal, TimeoutRole::culprit).may_be_refusal) << name;
	}
}

TEST(OnRefusalOptions, WhatMakesNoSenseIsRefused)
{
	const json job = {{"heap_mib", 4}, {"jobs", 1}};
	auto create = [&](const json &options) {
		json all = job;
		all.update(options);
		return kTilerHeap.create(JsonReader(all, ""));
	};
	EXPECT_NO_THROW(create({{"on_refusal", "split_work"}, {"refusal_tries", 5}, {"refusal_wait_ms", 3}}));
	EXPECT_NO_THROW(create({{"on_refusal", "evict_cache"}, {"cache_mib", 2}}));
	EXPECT_THROW(create({{"on_refusal", "evict_cache"}}), ScenarioError);
	EXPECT_THROW(create({{"on_refusal", "hope"}}), ScenarioError);
	EXPECT_THROW(create({{"on_refusal", "retry"}, {"heap", "persistent"}}), ScenarioError);
	EXPECT_THROW(create({{"on_refusal", "retry"}, {"take_away", "heap"}}), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
