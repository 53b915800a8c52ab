/* SPDX-License-Identifier: MIT */
#include "agent/control.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace drmsqueeze
{

void Control::fail(int code, std::string_view reason)
{
	/* The reason is copied before the code is published; a second failure finds a claim and leaves. */
	static constexpr uint32_t kClaimed = 0x80000000;
	uint32_t none = 0;
	if (!error_code.compare_exchange_strong(none, kClaimed))
		return;
	size_t length = std::min(reason.size(), sizeof(error_reason) - 1);
	memcpy(error_reason, reason.data(), length);
	error_reason[length] = '\0';
	error_code.store(static_cast<uint32_t>(code));
}

namespace
{

SharedMemoryMade made;

} // namespace

const SharedMemoryMade &shared_memory_made()
{
	return made;
}

void *shared_memory(uint64_t bytes)
{
	void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return nullptr;
	made.count++;
	made.pages += (static_cast<int64_t>(bytes) + getpagesize() - 1) / getpagesize();
	return memory;
}

Control *make_control()
{
	void *memory = shared_memory(sizeof(Control));
	return memory ? new (memory) Control() : nullptr;
}

} // namespace drmsqueeze
