/* SPDX-License-Identifier: MIT */
/*
 * The rules of dma-bufs, sync files and syncobjs that sync-file tries out, one small case each. They come from
 * Documentation/driver-api/dma-buf.rst, include/uapi/linux/dma-buf.h and include/uapi/linux/sync_file.h.
 *
 * Each case has one step that it takes wrongly when the bench is `mutated`, so that the rule is broken before the
 * kernel's eyes and the case must say so: that shows of every check that it can fail.
 */
#pragma once

#include <span>
#include <string_view>

#include "stressors/sync_bench.h"

namespace drmsqueeze
{

/** What a case cannot do without. */
enum class CaseNeeds {
	any,      /* a buffer of any exporter */
	vgem,     /* a buffer of vgem, for its fences */
	syncobj,  /* a device with syncobjs */
	timeline, /* a device with timelines of syncobjs */
	chain,    /* a buffer of vgem, and panfrost for a job that waits for it */
};

struct SyncCase {
	const char *name;
	CaseNeeds needs;
	void (*run)(SyncBench &bench);
};

std::span<const SyncCase> all_sync_cases();
const SyncCase *find_sync_case(std::string_view name);

/** Empty, or what is missing for @sync_case with buffers of @exporter. */
const char *missing_for(const SyncCase &sync_case, const SyncDevices &devices, const Exporter &exporter);

/* Of sync_merge_cases.cc. */
void try_merge(SyncBench &bench);
void try_merge_timeline(SyncBench &bench);
void try_merge_signalled(SyncBench &bench);
void try_error(SyncBench &bench);
void try_error_waited(SyncBench &bench);

/* Of sync_object_cases.cc. */
void try_syncobj(SyncBench &bench);
void try_syncobj_timeline(SyncBench &bench);
void try_syncobj_error(SyncBench &bench);
void try_implicit_chain(SyncBench &bench);
void try_shared_chain(SyncBench &bench);

} // namespace drmsqueeze
