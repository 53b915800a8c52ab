/* SPDX-License-Identifier: MIT */
/*
 * The processes of the memcg injector. Lowering a limit reclaims, and so does memory.reclaim: both may block, or end in
 * an OOM kill (mm/memcontrol.c, memory_max_write(), memory_reclaim()). So they are written by processes that may be
 * lost, and the guardian only lifts limits.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "agent/root.h"
#include "agent/unique_fd.h"
#include "injectors/memcg_limits.h"

namespace drmsqueeze
{

/** What of the clients' memory.stat is looked at, in this order. */
enum MemcgCharge : uint32_t { anon, shmem, kernel, kMemcgCharges };

/** What became of the writes to one kind of file. */
struct Tries {
	std::atomic<uint64_t> done;
	std::atomic<uint64_t> less; /* EAGAIN: not all could be reclaimed */
	std::atomic<uint64_t> failed;
	std::atomic<int64_t> total_ns;
	std::atomic<int64_t> longest_ns;
};

/** What the processes and the guardian tell each other: in shared memory. */
struct MemcgShared {
	std::atomic<double> intensity;
	std::atomic<bool> ready; /* the first limits stand */
	Tries limits;
	std::array<Tries, kMaxReclaims> reclaims;
	std::array<std::atomic<uint64_t>, kMemcgCharges> most; /* bytes charged to the clients */
	std::atomic<int64_t> most_shmem_kib;                   /* growth of all Shmem since arming */
};

/** What a process works with. */
struct MemcgWork {
	const MemcgOptions &options;
	const Root &root;
	const std::array<UniqueFd, kLimits> &limits; /* open for writing where they are named */
	MemcgShared &shared;
	int64_t begin_ns;       /* when it was armed */
	int64_t idle_shmem_kib; /* all Shmem then */
};

/** Sets the limits as time and phases want them, and looks at what is charged, until it is killed. */
[[noreturn]] void hold_limits(const MemcgWork &work);

/** Writes memory.reclaim as entry @number of the options says, until it is killed. */
[[noreturn]] void keep_reclaiming(const MemcgWork &work, size_t number);

/** A file of the clients' cgroup: "/memory.max". */
std::string client_file(std::string_view name);

} // namespace drmsqueeze
