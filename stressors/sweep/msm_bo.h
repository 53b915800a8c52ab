/* SPDX-License-Identifier: MIT */
/* What the operations on msm share. */
#pragma once

#include "stressors/sweep/driver_bo.h"

namespace drmsqueeze
{

inline constexpr const char *kMsmName = "msm";

Status msm_works(int dmabuf);

class OnMsm : public OnDriver
{
public:
	OnMsm() : OnDriver(kMsmName) {}
};

/** The buffer has an address, and no pages yet. */
class OnMsmBo : public OnDriverBo
{
public:
	OnMsmBo() : OnDriverBo(kMsmName) {}
};

} // namespace drmsqueeze
