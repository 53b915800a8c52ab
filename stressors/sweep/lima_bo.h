/* SPDX-License-Identifier: MIT */
/* What the operations on lima share. */
#pragma once

#include "stressors/sweep/driver_bo.h"

namespace drmsqueeze
{

inline constexpr const char *kLimaName = "lima";

/** LIMA_GEM_CREATE: 0 or errno. @flags: LIMA_BO_FLAG_HEAP or 0. */
int lima_create_bo(int fd, uint32_t bytes, uint32_t flags, uint32_t &handle);

Status lima_works(int dmabuf);

class OnLima : public OnDriver
{
public:
	OnLima() : OnDriver(kLimaName) {}
};

class OnLimaBo : public OnDriverBo
{
public:
	OnLimaBo() : OnDriverBo(kLimaName) {}
};

} // namespace drmsqueeze
