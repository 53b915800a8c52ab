/* SPDX-License-Identifier: MIT */
/* What the operations on panfrost share. */
#pragma once

#include "stressors/sweep/driver_bo.h"

namespace drmsqueeze
{

Status panfrost_works(int dmabuf);

class OnPanfrost : public OnDriver
{
public:
	OnPanfrost() : OnDriver("panfrost") {}
};

class OnPanfrostBo : public OnDriverBo
{
public:
	OnPanfrostBo() : OnDriverBo("panfrost") {}
};

} // namespace drmsqueeze
