/* SPDX-License-Identifier: MIT */
/* The tables of operations, one for each file *_ops.cc. */
#pragma once

#include <span>

#include "stressors/sweep/operation.h"

namespace drmsqueeze
{

std::span<const OperationType> panfrost_operations();
std::span<const OperationType> panfrost_job_operations();
std::span<const OperationType> panfrost_heap_operations();
std::span<const OperationType> panthor_operations();
std::span<const OperationType> panthor_job_operations();
std::span<const OperationType> panthor_heap_operations();
std::span<const OperationType> lima_operations();
std::span<const OperationType> lima_job_operations();
std::span<const OperationType> lima_heap_operations();
std::span<const OperationType> msm_operations();
std::span<const OperationType> msm_job_operations();
std::span<const OperationType> msm_queue_operations();
std::span<const OperationType> drm_operations();
std::span<const OperationType> vgem_operations();
std::span<const OperationType> buffer_operations();
std::span<const OperationType> fence_operations();
std::span<const OperationType> control_operations();

} // namespace drmsqueeze
