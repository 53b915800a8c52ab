/* SPDX-License-Identifier: MIT */
#pragma once

#include <csetjmp>

namespace drmsqueeze
{

namespace bus_guard
{

/** Where a SIGBUS of this thread jumps to; nullptr: nowhere, and it kills the process as ever. */
extern thread_local sigjmp_buf *landing;

/** Sets up the process's handler, once. */
void install();

} // namespace bus_guard

/**
 * Runs @access, which reads and writes mapped memory of a driver and nothing else: no object that it makes may need
 * its destructor. False when the driver answered a fault with SIGBUS: that is how memory that could not be had, or has
 * been purged, looks to the CPU (ttm_bo_vm_fault_reserved, drm_gem_shmem_fault).
 */
template <typename Access>
bool survives_sigbus(Access access)
{
	bus_guard::install();
	sigjmp_buf here;
	if (sigsetjmp(here, 1) != 0) {
		bus_guard::landing = nullptr;
		return false;
	}
	bus_guard::landing = &here;
	access();
	bus_guard::landing = nullptr;
	return true;
}

} // namespace drmsqueeze
