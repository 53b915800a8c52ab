/* SPDX-License-Identifier: MIT */
/*
 * What a heap, a BO and a job are on one driver. A driver is one file beside this one: it implements Context and
 * closes with its Driver descriptor, which also holds its table from error to outcome.
 */
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"
#include "agent/ring_layout.h"
#include "agent/root.h"
#include "agent/unique_fd.h"
#include "stressors/drm/mapping.h"

namespace drmsqueeze
{

class Buffer;

/**
 * What a job writes to: a BO, or a heap that grows while jobs run. A heap of page faults is a BO; a tiler heap of CSF
 * firmware is none: it has no handle and no CPU view, and its jobs know places by their offset only.
 */
class Memory
{
public:
	virtual ~Memory() = default;
	virtual uint64_t bytes() const = 0;
	/** Of its first byte, in the context's GPU address space; 0 where jobs know offsets only, or there is none. */
	virtual uint64_t address() const { return 0; }
	/** The BO that it is; nullptr when it is none. */
	virtual Buffer *buffer() { return nullptr; }
	const Buffer *buffer() const { return const_cast<Memory *>(this)->buffer(); }
};

/** A buffer object of one context. What a driver does not have gives EOPNOTSUPP. */
class Buffer : public Memory
{
public:
	using Memory::buffer;
	Buffer *buffer() override { return this; }
	virtual uint32_t handle() const = 0; /* of GEM */
	virtual Result<UniqueFd> export_dmabuf() const = 0;
	/** The value at @offset as the CPU sees it; of a heap only places which a completed job has written. */
	virtual Result<uint64_t> read64(uint64_t offset);
	/** The CPU's view, for reading and writing; heaps have none. */
	virtual Result<Mapping> map() { return Error{EOPNOTSUPP, "no CPU view"}; }
	/** Says whether the contents will be needed again (madvise); false when they are gone. */
	virtual Result<bool> advise(bool /*will_need*/) { return Error{EOPNOTSUPP, "no madvise"}; }
	/** Waits for the jobs that use it until CLOCK_MONOTONIC @until_ns, 0 = only looks; EBUSY or ETIMEDOUT. */
	virtual Status wait_idle(int64_t /*until_ns*/) { return Error{EOPNOTSUPP, "no wait for a BO"}; }
	/**
	 * Whether it has come into the GPU's address space, where that ends after create_buffer() (Binding::async):
	 * waits until @until_ns. Fails with ETIMEDOUT, or with what the driver's fence carries.
	 */
	virtual Status wait_bound(int64_t /*until_ns*/) { return {}; }

private:
	std::mutex lock_; /* of view_ until it is valid */
	Mapping view_;    /* map()'s, kept for read64() */
};

/** How a heap is made. What a driver does not let its clients choose has no effect. */
struct HeapShape {
	uint64_t bytes; /* that one job takes of it at most */
	/* Of tiler heaps that grow by chunks; where clients know nothing of chunks, the kernel has a size of its own.
	 */
	uint64_t chunk_bytes = 2UL << 20;
	uint32_t initial_chunks = 1;
	uint32_t max_chunks = 0; /* 0: as many as @bytes take */
	/** What the GPU is to do when it gets no chunk: render what it has and go on, or fail. */
	bool incremental = true;
};

/** Whether VM_BIND is waited for in the ioctl, or runs in the VM's queue beside it. */
enum class Binding { sync, async };

/** What jobs in flight stand on, and may be taken away from under them; the process is no matter of a Context. */
enum class Taken { heap, group, vm, file, process };

/** One 64-bit value that the GPU is to write. */
struct GpuWrite {
	uint64_t address;
	uint64_t value;
};

/** The GPU's queues run beside each other, and share what executes their jobs. */
enum class GpuQueue { geometry, fragment };

/** Descriptors and out-fence of one job at a time; used again for the next. */
class JobSlot
{
public:
	virtual ~JobSlot() = default;
	/** Which queue its jobs go to from now on, geometry at first. */
	virtual Status choose_queue(GpuQueue /*queue*/) { return Error{EOPNOTSUPP, "one queue only"}; }
	/** Fills in the descriptors: the GPU writes @writes in order. At most as many as the slot was made for. */
	virtual void describe(std::span<const GpuWrite> writes) = 0;
	/**
	 * The same for a heap that the GPU is to take memory from as it writes, up to @bytes in all. Places are
	 * heap.address() + an offset, in rising order.
	 */
	virtual Status describe_heap(Memory & /*heap*/, std::span<const GpuWrite> writes, uint64_t /*bytes*/)
	{
		describe(writes);
		return {};
	}
	/** Jobs from now on name these BOs too, which they only read, or might. They outlive the slot's last job. */
	virtual Status use_also(std::span<Buffer *const> /*buffers*/)
	{
		return Error{EOPNOTSUPP, "jobs name one BO only"};
	}
	/** Hands the job to the driver, with @memory as what it writes to: 0 or a positive errno. */
	virtual int submit(const Memory &memory) = 0;
	/** Waits for the fence until CLOCK_MONOTONIC @until_ns: 0, ETIME, or another errno. */
	virtual int wait(int64_t until_ns) = 0;
	/** Of a signalled fence: 0 or the positive errno that it carries. */
	virtual Result<int> fence_error() = 0;
	/** Waits for the job's end: 0, what the wait fails with (ETIME at @until_ns), or the error of its fence. */
	int end(int64_t until_ns);
	/** submit() and end() of a job that has been described. */
	int run(const Memory &memory, int64_t until_ns);
	/** The fence of the job submitted last, as a sync file. */
	virtual Result<UniqueFd> export_fence() { return Error{EOPNOTSUPP, "no sync files"}; }
	/** When that fence signalled, by its own stamp (CLOCK_MONOTONIC); ENODATA when it has not. */
	virtual Result<int64_t> signalled_ns();
	/** How many of the writes the GPU says it has done. */
	virtual unsigned writes_done() const = 0;
	/**
	 * Of a completed job: the first of its @writes, as describe_heap() was given them, that @heap does not hold;
	 * their number when it holds all, or the errno of looking. Default: through the CPU's view of the BO.
	 */
	virtual Result<unsigned> first_wrong(Memory &heap, std::span<const GpuWrite> writes);
	/**
	 * Of a fence with an error: true when the job never began, so that what ended it was meant for another job of
	 * its queue.
	 */
	virtual bool bystander() { return false; }
	/** Of the last job: how often the GPU got no memory and had to render what it had. */
	virtual unsigned incremental_passes() const { return 0; }
};

/** An open device with its GPU address space. Owns it; outlives its buffers and slots. */
class Context
{
public:
	virtual ~Context() = default;
	virtual int fd() const = 0;
	/** Memory that is backed at once, or when the CPU first touches it. */
	virtual Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) = 0;
	/* What not every driver has: EOPNOTSUPP. */
	/** Memory that is backed when the GPU first touches it. */
	virtual Result<std::unique_ptr<Memory>> create_heap(const HeapShape & /*shape*/)
	{
		return Error{EOPNOTSUPP, "no heaps"};
	}
	/** What another context or another driver has exported. */
	virtual Result<std::unique_ptr<Buffer>> import_dmabuf(int /*dmabuf*/, uint64_t /*bytes*/)
	{
		return Error{EOPNOTSUPP, "no import"};
	}
	/**
	 * Jobs of one @group run in the order of their submits. Where a client makes its scheduling groups itself, each
	 * number is one, made with its first slot and made anew when the driver has given it up; else it means nothing.
	 */
	virtual Result<std::unique_ptr<JobSlot>> create_slot(unsigned /*max_writes*/, uint32_t /*group*/ = 0)
	{
		return Error{EOPNOTSUPP, "no jobs"};
	}
	/** How create_buffer() brings BOs into the GPU's address space from now on. */
	virtual Status choose_binding(Binding /*binding*/) { return Error{EOPNOTSUPP, "no VM_BIND"}; }
	/**
	 * Takes away what jobs of @group stand on, in flight or not; @heap is the one to go with Taken::heap. Of a
	 * group a new one is made with the next submit; after the VM or the file the context is good for nothing more.
	 */
	virtual Status take_away(Taken /*part*/, uint32_t /*group*/, Memory * /*heap*/)
	{
		return Error{EOPNOTSUPP, "nothing can be taken away under a job"};
	}
};

/** What a device has seen of its heaps since it was started. */
struct HeapEvents {
	uint64_t growths;   /* chunks that were asked for and given */
	uint64_t no_chunks; /* chunks that were asked for and not given */
	uint64_t doubled;   /* of the growths, those by a chunk that was in use already */
};

/** What a driver's shrinker has taken since the driver was loaded, by its own account; pages. */
struct ShrunkPages {
	uint64_t purged;        /* of BOs that were given up */
	uint64_t evicted;       /* of BOs that are needed, so that they may be swapped out */
	uint64_t active_purged; /* the same two, after a wait for the GPU */
	uint64_t active_evicted;
	uint64_t vmaps; /* of BOs whose mapping in the kernel was taken away; nothing is free for that */
};

/** What a line of the kernel log says about jobs. */
enum class LogSign { none, job_timeout };

struct LogRule {
	std::string_view contains;
	LogSign sign;
};

/** Whom a driver's timeout, or the end of a whole queue, was meant for, as far as one job is concerned. */
enum class TimeoutRole { none, culprit, victim };

/** First match wins. An error without a row for a culprit is never that of the driver's timeout. */
struct OutcomeRule {
	int error; /* positive errno of the fence; 0 = any */
	TimeoutRole role;
	Fate fate;
	bool may_be_refusal; /* so ends a job whose heap could not grow, and clients cannot tell what else it is */
	int64_t flags;
	std::string_view reason;
};

struct Driver {
	const char *name;   /* as DRM_IOCTL_VERSION and the module have it */
	const char *module; /* whose functions injectors aim at */
	std::span<const LogRule> log_rules;
	std::span<const OutcomeRule> outcome_rules;
	Result<std::unique_ptr<Context>> (*open)();
	/** Clients make scheduling groups of their own, and a job timeout ends one of them. */
	bool own_groups = false;
	/** nullptr: heap growths are told from the writes that jobs have done. */
	Result<HeapEvents> (*heap_events)(const Root &root) = nullptr;
	/** nullptr: the driver does not tell. */
	Result<ShrunkPages> (*shrunk_pages)(const Root &root) = nullptr;
};

std::span<const Driver *const> all_drivers();
const Driver *find_driver(std::string_view name);

/** The sign that @line is of, by the driver's rules. */
LogSign sign_of(const Driver &driver, std::string_view line);

/** Whether a fence whose job the driver's own timeout has ended may carry @error. */
bool may_be_timeout(const Driver &driver, int error);

/** The row for a fence that carries @error. Every table ends in a row that matches all. */
const OutcomeRule &outcome_of(const Driver &driver, int error, TimeoutRole role);

} // namespace drmsqueeze
