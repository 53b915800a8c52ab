/* SPDX-License-Identifier: MIT */
#pragma once

#include <string>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

enum class DrmNode { render, primary };

/** An open DRM node: on most drivers its own GPU address space. */
class Device
{
public:
	/** The first node whose driver has this name (DRM_IOCTL_VERSION); ENODEV when there is none. */
	static Result<Device> open(const std::string &driver, DrmNode node = DrmNode::render);

	int fd() const { return fd_.get(); }

private:
	explicit Device(UniqueFd fd) : fd_(std::move(fd)) {}

	UniqueFd fd_;
};

} // namespace drmsqueeze
