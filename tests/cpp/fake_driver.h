/* SPDX-License-Identifier: MIT */
/* A driver of memory files that fails on demand. */
#pragma once

#include <cerrno>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <set>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

class FakeBuffer;

/** What the fake driver is to do, and what it has seen. */
struct FakeDriver {
	int allocations_left = 1000; /* then ENOMEM */
	int freed_makes_room = 0;    /* for each BO that is freed, so many more can be allocated */
	std::set<uint32_t> busy;     /* WAIT_BO: EBUSY or ETIMEDOUT */
	std::set<uint32_t> ends;     /* busy, until somebody waits with a timeout */
	std::set<uint32_t> purged;   /* WILLNEED: not retained */
	std::set<uint32_t> not_needed;
	std::map<uint32_t, FakeBuffer *> buffers; /* those that are alive, by handle */
	uint32_t last_handle = 0;
	int alive = 0;
};

class FakeBuffer : public Buffer
{
public:
	FakeBuffer(FakeDriver &driver, uint64_t bytes)
		: driver_(driver), bytes_(bytes), handle_(++driver.last_handle), file_(memfd_create("fake-bo", 0))
	{
		driver_.alive++;
		driver_.buffers[handle_] = this;
		EXPECT_EQ(ftruncate(file_.get(), static_cast<off_t>(bytes)), 0);
	}
	~FakeBuffer() override
	{
		driver_.alive--;
		driver_.buffers.erase(handle_);
		driver_.allocations_left += driver_.freed_makes_room;
	}
	uint64_t bytes() const override { return bytes_; }
	uint32_t handle() const override { return handle_; }
	Result<UniqueFd> export_dmabuf() const override { return Error{EOPNOTSUPP, "fake"}; }
	Result<uint64_t> read64(uint64_t /*offset*/) override { return Error{EOPNOTSUPP, "fake"}; }
	Result<Mapping> map() override { return Mapping::create(file_.get(), 0, bytes_, PROT_READ | PROT_WRITE); }
	Result<bool> advise(bool will_need) override
	{
		if (will_need)
			driver_.not_needed.erase(handle_);
		else
			driver_.not_needed.insert(handle_);
		return driver_.purged.count(handle_) == 0;
	}
	Status wait_idle(int64_t until_ns) override
	{
		if (until_ns && driver_.ends.erase(handle_))
			return {};
		if (driver_.busy.count(handle_) || driver_.ends.count(handle_))
			return Error{until_ns ? ETIMEDOUT : EBUSY, "fake"};
		return {};
	}
	/** The memory is gone under whoever has it mapped. */
	void lose_memory() const { EXPECT_EQ(ftruncate(file_.get(), 0), 0); }

private:
	FakeDriver &driver_;
	uint64_t bytes_;
	uint32_t handle_;
	UniqueFd file_;
};

/** Writes at once, and says what it is told to of its fence. */
class FakeSlot : public JobSlot
{
public:
	explicit FakeSlot(int fence_error) : fence_error_(fence_error) {}
	void describe(std::span<const GpuWrite> writes) override { writes_.assign(writes.begin(), writes.end()); }
	int submit(const Memory &memory) override
	{
		auto view = const_cast<Memory &>(memory).buffer()->map();
		for (const GpuWrite &write : writes_)
			if (fence_error_ == 0)
				view->store64(write.address, write.value);
		return 0;
	}
	int wait(int64_t /*until_ns*/) override { return 0; }
	Result<int> fence_error() override { return fence_error_; }
	unsigned writes_done() const override { return static_cast<unsigned>(writes_.size()); }

private:
	int fence_error_;
	std::vector<GpuWrite> writes_;
};

class FakeContext : public Context
{
public:
	explicit FakeContext(FakeDriver &driver) : driver_(driver) {}
	int fd() const override { return -1; }
	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		if (driver_.allocations_left <= 0)
			return Error{ENOMEM, "fake: no memory"};
		driver_.allocations_left--;
		return std::unique_ptr<Buffer>(new FakeBuffer(driver_, bytes));
	}
	Result<std::unique_ptr<JobSlot>> create_slot(unsigned /*max_writes*/, uint32_t /*group*/) override
	{
		return std::unique_ptr<JobSlot>(new FakeSlot(fence_error));
	}
	int fence_error = 0;

private:
	FakeDriver &driver_;
};

} // namespace drmsqueeze
