/* SPDX-License-Identifier: MIT */
/* What the operations on panthor share: its ioctls (include/uapi/drm/panthor_drm.h), each 0 or errno. */
#pragma once

#include <cstdint>

#include <panthor_drm.h>

#include "stressors/sweep/driver_bo.h"

namespace drmsqueeze
{

inline constexpr const char *kPanthorName = "panthor";

/* The VM of a Context: VM_CREATE counts from 1 in each file, and a context makes one (drivers/panthor.cc). */
inline constexpr uint32_t kPanthorVm = 1;

/** Where steps bind what they bind, far above what a context binds itself. */
inline constexpr uint64_t kPanthorAddress = 1ULL << 40;

int panthor_create_vm(int fd, uint32_t &vm);
int panthor_destroy_vm(int fd, uint32_t vm);
int panthor_create_bo(int fd, uint64_t bytes, uint32_t exclusive_vm, uint32_t &handle);
/** Map operations have a @bo; 0: unmap. */
int panthor_bind(int fd, uint32_t vm, uint32_t bo, uint64_t address, uint64_t bytes);
/** The same by the VM's queue, which signals @syncobj. */
int panthor_bind_async(int fd, uint32_t vm, uint32_t bo, uint64_t address, uint64_t bytes, uint32_t syncobj);
/** One chunk of 128 KiB, four at most. */
int panthor_create_heap(int fd, uint32_t vm, uint32_t &heap);
int panthor_destroy_heap(int fd, uint32_t heap);
/** One queue of 4 KiB, all cores. */
int panthor_create_group(int fd, uint32_t vm, uint32_t &group);
int panthor_destroy_group(int fd, uint32_t group);

Status panthor_works(int dmabuf);

class OnPanthor : public OnDriver
{
public:
	OnPanthor() : OnDriver(kPanthorName) {}
};

class OnPanthorBo : public OnDriverBo
{
public:
	OnPanthorBo() : OnDriverBo(kPanthorName) {}
};

} // namespace drmsqueeze
