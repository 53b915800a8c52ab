/* SPDX-License-Identifier: MIT */
/* An open file of lima: one address space, and its contexts of the scheduler by number. */
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>

#include "agent/result.h"

namespace drmsqueeze
{

/** Any thread may use it. The device must outlive it, and it all that is made in it. */
class LimaClient
{
public:
	explicit LimaClient(int fd) : fd_(fd) {}

	int fd() const { return fd_; }

	/** The lima_ctx of this @group, made when there is none: an entity for the GP, and one for the PPs. */
	Result<uint32_t> context(uint32_t group);
	/** LIMA_CTX_FREE, where there is one; the next context() makes another. */
	Status free_context(uint32_t group);

	/** From now on nothing is given back one by one: the file is about to go, and takes all with it. */
	void leave_to_file() { left_ = true; }
	bool left_to_file() const { return left_; }

private:
	int fd_;
	std::atomic<bool> left_ = false;
	std::mutex lock_; /* of contexts_ */
	std::map<uint32_t, uint32_t> contexts_;
};

} // namespace drmsqueeze
