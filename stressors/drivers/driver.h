/* SPDX-License-Identifier: MIT */
/*
 * What a heap, a BO and a job are on one driver. A driver is one file beside this one: it implements Context and
 * closes with its Driver descriptor, which also holds its table from error to outcome.
 */
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
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

/** A buffer object of one context. What a driver does not have gives EOPNOTSUPP. */
class Buffer
{
public:
	virtual ~Buffer() = default;
	virtual uint64_t bytes() const = 0;
	virtual uint32_t handle() const = 0; /* of GEM */
	virtual Result<UniqueFd> export_dmabuf() const = 0;
	/** In the context's GPU address space; 0 where the GPU has none of its own. */
	virtual uint64_t address() const { return 0; }
	/** The value at @offset as the CPU sees it; of a heap only places which a completed job has written. */
	virtual Result<uint64_t> read64(uint64_t offset) = 0;
	/** The CPU's view, for reading and writing; heaps have none. */
	virtual Result<Mapping> map() { return Error{EOPNOTSUPP, "no CPU view"}; }
	/** Says whether the contents will be needed again (madvise); false when they are gone. */
	virtual Result<bool> advise(bool /*will_need*/) { return Error{EOPNOTSUPP, "no madvise"}; }
	/** Waits for the jobs that use it until CLOCK_MONOTONIC @until_ns, 0 = only looks; EBUSY or ETIMEDOUT. */
	virtual Status wait_idle(int64_t /*until_ns*/) { return Error{EOPNOTSUPP, "no wait for a BO"}; }
};

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
	/** Hands the job to the driver, with @buffer as its memory: 0 or a positive errno. */
	virtual int submit(const Buffer &buffer) = 0;
	/** Waits for the fence until CLOCK_MONOTONIC @until_ns: 0, ETIME, or another errno. */
	virtual int wait(int64_t until_ns) = 0;
	/** Of a signalled fence: 0 or the positive errno that it carries. */
	virtual Result<int> fence_error() = 0;
	/** The fence of the job submitted last, as a sync file. */
	virtual Result<UniqueFd> export_fence() { return Error{EOPNOTSUPP, "no sync files"}; }
	/** When that fence signalled, by its own stamp (CLOCK_MONOTONIC); ENODATA when it has not. */
	virtual Result<int64_t> signalled_ns();
	/** How many of the writes the GPU says it has done. */
	virtual unsigned writes_done() const = 0;
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
	virtual Result<std::unique_ptr<Buffer>> create_heap(uint64_t /*bytes*/)
	{
		return Error{EOPNOTSUPP, "no heaps"};
	}
	/** What another context or another driver has exported. */
	virtual Result<std::unique_ptr<Buffer>> import_dmabuf(int /*dmabuf*/, uint64_t /*bytes*/)
	{
		return Error{EOPNOTSUPP, "no import"};
	}
	virtual Result<std::unique_ptr<JobSlot>> create_slot(unsigned /*max_writes*/)
	{
		return Error{EOPNOTSUPP, "no jobs"};
	}
};

/** What a line of the kernel log says about jobs. */
enum class LogSign { none, job_timeout };

struct LogRule {
	std::string_view contains;
	LogSign sign;
};

/** Whom a driver's timeout hit, as far as one job is concerned. */
enum class TimeoutRole { none, culprit, victim };

/** First match wins. */
struct OutcomeRule {
	int error; /* positive errno of the fence; 0 = any */
	TimeoutRole role;
	Fate fate;
	int64_t flags;
	std::string_view reason;
};

struct Driver {
	const char *name;   /* as DRM_IOCTL_VERSION and the module have it */
	const char *module; /* whose functions injectors aim at */
	std::span<const LogRule> log_rules;
	std::span<const OutcomeRule> outcome_rules;
	Result<std::unique_ptr<Context>> (*open)();
};

std::span<const Driver *const> all_drivers();
const Driver *find_driver(std::string_view name);

/** The sign that @line is of, by the driver's rules. */
LogSign sign_of(const Driver &driver, std::string_view line);

/** The row for a fence that carries @error. Every table ends in a row that matches all. */
const OutcomeRule &outcome_of(const Driver &driver, int error, TimeoutRole role);

} // namespace drmsqueeze
