# SPDX-License-Identifier: MIT
"""Rules for what GPU drivers, DRM's scheduler, GEM and TTM print; a part of the table in kernel_rules.

Under drivers/gpu/drm/ unless said otherwise. dma-buf prints nothing of its own at run time: its complaints are WARNs, and the rule
`warn` takes them.
"""

from typing import Any

from drmsqueeze_results.kernel_rule import ERROR, GPU_STOPPED, HANG, INFO, WARNING, Rule, rule
from drmsqueeze_results.model import Outcome

_HUNG = frozenset({Outcome.HUNG})
# drm_err() and drm_warn() put "[drm]" behind the device, DRM_DEV_ERROR() the calling function too; dev_err() nothing.
_DRM = r"(?:\[drm(?::\S+?(?: \[\w+\])?)?\] )?(?:\*ERROR\* )?"


def _by(driver: str, functions: str | None = None) -> str:
    """What stands before a driver's message: its device, or (DRM_ERROR(), which knows no device) the function that calls."""
    return (rf"(?:(?:{driver}) \S+: (?:{driver}: )?{_DRM}|"
            rf"\[drm:(?:(?:{functions or driver})\w*(?: \[\w+\])?|\S+ \[(?:{driver})\])\] (?:\*ERROR\* )?)")


_PANFROST, _LIMA, _PANTHOR = _by("panfrost"), _by("lima"), _by("panthor")
_MSM = _by(r"msm\w*|adreno|platform", r"msm_|adreno_|a\dxx_|hangcheck_|recover_")
_AMDGPU, _I915, _XE = _by("amdgpu", r"amdgpu_|gmc_|gfx_|sdma_"), _by("i915", r"i915_|intel_|gen\d"), _by("xe")
_V3D, _ETNAVIV, _VIRTIO = _by("v3d"), _by("etnaviv(?:-gpu)?"), _by("virtio_gpu", r"virtio_gpu_")
_GT = r"(?:GT\d+: )?"  # i915 since 6.3, and xe

_TIMEOUT: dict[str, Any] = {"kind": "driver-timeout", "pressure": True, "explained_by": GPU_STOPPED, "witness": "driver-timeout"}
_RESET: dict[str, Any] = {"kind": "driver-reset", "pressure": True, "explained_by": GPU_STOPPED}
_WEDGE: dict[str, Any] = {"kind": "driver-wedge", "explained_by": _HUNG, "witness": "driver-wedge"}
_PAGE_FAULT: dict[str, Any] = {"kind": "gpu-page-fault", "pressure": True, "explained_by": GPU_STOPPED}
_JOB_FAULT: dict[str, Any] = {"kind": "gpu-job-fault", "pressure": True, "explained_by": GPU_STOPPED}
_NO_MEMORY: dict[str, Any] = {"kind": "submit-no-memory", "pressure": True}
_NO_BO: dict[str, Any] = {"kind": "bo-not-made", "pressure": True}
_NO_DUMP: dict[str, Any] = {"kind": "devcoredump-lost", "pressure": True}

DRIVER_RULES: tuple[Rule, ...] = (
    rule("driver-timeout", _PANFROST + "gpu sched timeout, js=", WARNING, "panfrost_job.c, panfrost_job_timedout()", title="panfrost",
         **_TIMEOUT),
    rule("driver-wedge",
         _PANFROST + r"(?P<what>Soft-stop failed|AS_ACTIVE bit stuck|gpu soft reset timed out|gpu hard reset timed out|"
         r"error powering up gpu(?: \w+)?|"
         r"\w+ power transition timeout)", ERROR, "panfrost_job.c, panfrost_mmu.c, panfrost_gpu.c", **_WEDGE),
    rule("gpu-page-fault", _PANFROST + "Unhandled Page fault in AS", WARNING, "panfrost_mmu.c, panfrost_mmu_irq_handler_thread()",
         title="panfrost",
         lines=8, **_PAGE_FAULT),
    rule("gpu-job-fault", _PANFROST + r"js fault, js=\d+, (?P<what>status=[^,]+)", WARNING, "panfrost_job.c, panfrost_job_handle_err()",
         **_JOB_FAULT),
    rule("gpu-fault", _PANFROST + "(?P<what>GPU Fault) 0x", ERROR, "panfrost_gpu.c, panfrost_gpu_irq_handler()"),
    rule("driver-probe", _PANFROST + r"(?P<what>Fatal error during GPU init|failed to request \w+ irq|\w+ init failed)", ERROR,
         "panfrost_drv.c, panfrost_device.c"),
    rule("irq-latency", _PANFROST + "unexpectedly high interrupt latency", INFO, "panfrost_job.c, panfrost_job_timedout()",
         title="panfrost", pressure=True),
    rule("devcoredump-lost", _PANFROST + "(?:failed to allocate devcoredump file|Panfrost Dump: )", INFO, "panfrost_dump.c",
         title="panfrost", **_NO_DUMP),
    rule("gem-purged", r"(?P<what>Purging) \d+ bytes", INFO,
         "panfrost_gem_shrinker.c; msm_gem_shrinker.c of 5.10", pressure=True),

    rule("lima-timeout", _LIMA + r"(?:\w+ )?job timeout", WARNING, "lima_sched.c, lima_sched_timedout_job()", title="lima", **_TIMEOUT),
    rule("lima-task-error", _LIMA + r"(?P<what>\w+ (?:task error|error irq state))", WARNING, "lima_gp.c, lima_pp.c", **_JOB_FAULT),
    rule("lima-page-fault", _LIMA + r"(?P<what>\w+ page fault) at ", WARNING, "lima_mmu.c", **_PAGE_FAULT),
    rule("lima-wedge",
         _LIMA + r"(?P<what>\w+ (?:bus stop timeout|(?:hard |soft )?reset time ?out|wait command timeout|command \S+ timeout|irq bus error|"
         r"timeout wait pmu cmd))", ERROR, "lima_gp.c, lima_pp.c, lima_mmu.c, lima_l2_cache.c, lima_pmu.c", **_WEDGE),
    rule("lima-irq-latency", r"\[drm\] (?:gp|pp)\w* (?:unexpectedly high interrupt latency|spurious timeout)", INFO,
         "lima_sched.c, DRM_WARN() names no driver", kind="irq-latency", title="lima", pressure=True),
    rule("lima-dump-lost", _LIMA + "fail to (?:alloc task dump buffer|save task state)", INFO,
         "lima_sched.c, lima_sched_build_error_task_list()", title="lima",
         **_NO_DUMP),
    rule("lima-left-behind", _LIMA + "(?P<what>lima) gem free bo still has va", ERROR, "lima_gem.c, lima_gem_free_object()",
         kind="bo-left-behind"),

    rule("panthor-timeout", _PANTHOR + r"(?P<what>job timeout|CSG slot \d+ progress timeout)", WARNING, "panthor_sched.c", **_TIMEOUT),
    rule("panthor-heap", _PANTHOR + "(?P<what>Failed to extend the tiler heap)", WARNING, "panthor_sched.c, group_process_tiler_oom()",
         kind="heap-not-grown", pressure=True, explained_by=GPU_STOPPED),
    rule("panthor-page-fault", _PANTHOR + "Unhandled Page fault in AS", WARNING, "panthor_mmu.c, panthor_mmu_irq_handler()",
         title="panthor", lines=7,
         **_PAGE_FAULT),
    # The second line of a message of four: the device stands before the first only, which says no more than the slot.
    rule("panthor-job-fault", r"(?P<what>CS_FA(?:TAL|ULT))\.EXCEPTION_TYPE: 0x[0-9a-f]+ \((?P<more>[^)]*)\)", WARNING,
         "panthor_sched.c, cs_slot_process_fatal_event_locked(), ..fault..()", lines=3, **_JOB_FAULT),
    rule("panthor-gpu-fault", _PANTHOR + "(?P<what>GPU Fault)(?: 0x| in protected mode)", ERROR,
         "panthor_gpu.c, panthor_gpu_irq_handler()", kind="gpu-fault"),
    rule("panthor-wedge",
         _PANTHOR + r"(?P<what>FW ping timeout|Failed to (?:boot|stop) MCU|CSG suspend failed|CSG \d+ update request timed ?out|"
         r"Soft reset timeout|"
         r"Flush caches timeout|timeout waiting on \w+|AS_ACTIVE bit stuck|FW (?:fast|slow) reset failed|Failed to cleanly suspend MCU|"
         r"Invalid state on CSG)",
         ERROR,
         "panthor_fw.c, panthor_sched.c, panthor_gpu.c, panthor_mmu.c, panthor_device.c", kind="driver-wedge", explained_by=GPU_STOPPED,
         witness="driver-wedge"),

    # A reset reads the firmware again, so these are not about the probe alone. The firmware's name and its numbers are left out.
    rule("panthor-probe",
         _PANTHOR + r"(?P<what>Firmware (?:too small|entry|corrupted|contains interface|image is truncated|version is 0)|"
         r"Failed to load firmware image|Invalid firmware magic|Interface at \S+ must be shared|Unsupported (?:non-optional|firmware binary)|"
         r"Shared interface region not found|Invalid (?:stream|group|global) control interface|Expecting identical CSG? slots|"
         r"Invalid number of control groups|Not enough AS|Failed to allocate the workqueues|failed to request job irq|"
         r"Couldn't (?:set|retrieve|initialize) [\w/]+ ?\w*)", ERROR,
         "panthor_fw.c, panthor_sched.c, panthor_devfreq.c", kind="driver-probe"),
    rule("panthor-unmap", _PANTHOR + r"(?P<what>failed to unmap range)", ERROR,
         "panthor_mmu.c, panthor_vm_unmap_pages(): a page table that lacks what was mapped", kind="bo-left-behind"),

    rule("msm-timeout", _MSM + r"(?:\S+: )?(?P<what>hangcheck detected gpu lockup|gpu fault ring|preemption timed out)", WARNING,
         "msm/msm_gpu.c, hangcheck_handler(); msm/adreno/a5xx_gpu.c, a6xx_gpu.c, fault_detect_irq()", lines=3, **_TIMEOUT),
    rule("msm-reset", _MSM + r"\S+: (?P<what>hangcheck recover)!", WARNING, "msm/msm_gpu.c, recover_worker()", lines=3, **_RESET),
    rule("msm-page-fault", r"\*\*\* (?:gpu )?fault: (?:ttbr0|iova)=|adreno \S+: MMU_PAGE_FAULT: (?!0{8})", WARNING,
         "msm/adreno/adreno_gpu.c, adreno_fault_handler(); msm/msm_iommu.c; 5.10 has no ttbr0; a2xx_gpu.c, a2xx_irq()", title="msm",
         **_PAGE_FAULT),
    rule("msm-job-fault",
         _MSM + r"(?P<what>CP \| (?:opcode error|HW fault|DMA error|protected mode error|AHB (?:bus )?error)|CP (?:ucode|"
         r"AHB) error interrupt|"
         r"CP illegal instruction error|CP VSD decoder parity error|UCHE \| Out of bounds access|RBBM \| [A-Z][\w ]*)", WARNING,
         "msm/adreno/a5xx_gpu.c, a6xx_gpu.c", **_JOB_FAULT),
    rule("msm-wedge",
         _MSM + r"(?:\S+: )?(?:[\w+]+: )?(?P<what>timeout waiting (?:for GPU to idle|to drain ringbuffer|for space in ringbuffer)|"
         r"GMU watchdog expired|"
         r"Timeout waiting for GMU OOB set|GPU RSC sequence stuck|Unable to power (?:on|off) (?:the GPU RSC|SPTPRAC)|"
         r"The GMU did not go into slumber|"
         r"Message \S+ id \d+ timed out waiting for response|cx gdsc didn't collapse|Preemption failed to complete)", ERROR,
         "msm/adreno/adreno_gpu.c, a5xx_gpu.c, a5xx_preempt.c, a6xx_gpu.c, a6xx_gmu.c, a6xx_hfi.c", kind="driver-wedge",
         explained_by=GPU_STOPPED, witness="driver-wedge"),
    rule("msm-bo-not-made", _MSM + "(?:could not get pages|failed to allocate sgt)", WARNING, "msm/msm_gem.c, get_pages()", title="msm",
         **_NO_BO),

    rule("amdgpu-timeout", _AMDGPU + r"ring (?P<what>\S+ timeout)", WARNING, "amd/amdgpu/amdgpu_job.c, amdgpu_job_timedout()", **_TIMEOUT),
    rule("amdgpu-reset", _AMDGPU + r"(?P<what>GPU reset begin|GPU reset\(\d+\) succeeded|GPU reset succeeded|"
         r"VRAM is lost due to GPU reset)|"
         r"\[drm\] (?P<more>VRAM is lost due to GPU reset)", WARNING,
         "amd/amdgpu/amdgpu_device.c, amdgpu_device_gpu_recover(), amdgpu_do_asic_reset()", **_RESET),
    rule("amdgpu-wedge",
         _AMDGPU + r"(?:\[drm\] )?(?P<what>GPU Recovery Failed|GPU reset\(\d+\) failed|GPU reset end with ret = -\d+|"
         r"ASIC reset failed with error|"
         r"GPU (?:mode1|mode2|pre asic) reset failed|ib ring test failed|GPU recovery disabled|device lost from bus)", ERROR,
         "amd/amdgpu/amdgpu_device.c, amdgpu_job.c", **_WEDGE),
    rule("amdgpu-page-fault", _AMDGPU + r"\[(?P<what>\w+)\] (?:no-)?(?:retry )?page fault \(", WARNING,
         "amd/amdgpu/gmc_v9_0.c, gmc_v10_0.c, gmc_v11_0.c",
         lines=10, **_PAGE_FAULT),
    rule("amdgpu-no-memory",
         _AMDGPU + r"(?P<what>Not enough memory for command submission|kvmalloc_array failure|Failed to process the buffer list -12|"
         r"Error scheduling IBs \(-12\))", WARNING, "amd/amdgpu/amdgpu_cs.c, amdgpu_job.c", **_NO_MEMORY),
    rule("amdgpu-bo-not-made", _AMDGPU + r"(?:\(-\d+\) (?:failed to allocate|kernel) ?(?P<what>kernel bo|bo pin failed)|"
         r"\S+ (?P<more>pin failed)|"
         r"(?P<also>failed to pin userptr))", WARNING, "amd/amdgpu/amdgpu_object.c, amdgpu_ttm.c", **_NO_BO),
    rule("amdgpu-irq-lost", r"(?:\[drm\] |" + _AMDGPU + r")Fence fallback timer expired on ring (?P<what>\S+)", INFO,
         "amd/amdgpu/amdgpu_fence.c, amdgpu_fence_fallback()", kind="irq-latency", pressure=True),

    rule("i915-hang", _I915 + _GT + r"(?P<what>GPU HANG)|(?P<more>Fence expiration time out) i915-", WARNING,
         "i915/i915_gpu_error.c; i915/gt/intel_gt_requests.c and i915_sw_fence.c", **_TIMEOUT),
    rule("i915-reset", _I915 + _GT + r"(?P<what>Resetting (?:chip|\w+)) for |" + _I915 +
         r"\S{1,40} (?P<more>context reset due to GPU hang)", WARNING,
         "i915/gt/intel_reset.c", **_RESET),
    rule("i915-wedge",
         _I915 + _GT + r"(?:GUC: )?(?P<what>Failed to reset chip|\S+ timed out, cancelling all in-flight rendering|"
         r"Failed to initialise HW following reset|"
         r"\w+ reset request timed out|GPU reset not supported|TLB invalidation response timed out|Engine reset failed on)", ERROR,
         "i915/gt/intel_reset.c, uc/intel_guc_submission.c", **_WEDGE),
    rule("i915-purged", r"(?P<what>Purging GPU memory), \d+ pages freed", INFO, "i915/gem/i915_gem_shrinker.c, i915_gem_shrinker_oom()",
         kind="gem-purged", pressure=True),
    rule("xe-timeout", _XE + _GT + r"(?P<what>Timedout job|Engine reset|Schedule disable failed to respond|"
         r"Pending enable failed to respond)", WARNING,
         "xe/xe_guc_submit.c", **_TIMEOUT),
    rule("xe-wedge", _XE + _GT + r"(?P<what>CRITICAL: Xe has declared device|GuC engine reset request failed)", ERROR,
         "xe/xe_device.c, xe_guc_submit.c",
         lines=4, **_WEDGE),

    rule("v3d-timeout", _V3D + "(?P<what>Resetting GPU for hang)", WARNING, "v3d/v3d_gem.c, v3d_reset(); Raspberry Pi", **_TIMEOUT),
    rule("v3d-no-memory", _V3D + "(?P<what>Cannot allocate memory for V3D job|Couldn't allocate binner overflow mem)", WARNING,
         "v3d/v3d_submit.c, v3d_irq.c",
         **_NO_MEMORY),
    rule("etnaviv-timeout", _ETNAVIV + "(?P<what>recover hung GPU)!", WARNING, "etnaviv/etnaviv_gpu.c, etnaviv_gpu_recover_hang()",
         lines=3, **_TIMEOUT),
    rule("etnaviv-page-fault", _ETNAVIV + r"MMU (?:\d+ )?fault", WARNING, "etnaviv/etnaviv_gpu.c, dump_mmu_fault()", title="etnaviv",
         **_PAGE_FAULT),
    rule("virtio-gpu-no-memory", _VIRTIO + r"(?P<what>failed to allocate ent list|response 0x1201)", WARNING,
         "virtio/virtgpu_object.c; virtgpu_vq.c: the host has no memory", **_NO_BO),

    rule("gpu-wedged", r"\S+ \S+: \[drm\] device wedged, (?P<what>needs recovery)", ERROR, "drm_drv.c, drm_dev_wedged_event(), since 6.15",
         **_WEDGE),
    rule("gpu-was-wedged", r"\S+ \S+: \[drm\] device wedged, (?P<what>but recovered through reset|but no recovery needed)", WARNING,
         "drm_drv.c, drm_dev_wedged_event(), since 6.15", **_RESET),
    rule("flip-timeout", r"(?:\S+ \S+: )?" + _DRM + r"\[(?:CRTC|CONNECTOR|PLANE):\d+:[^]]*\] (?P<what>(?:flip_done|commit wait|"
         r"hw_done) timed out)", WARNING,
         "drm_atomic_helper.c: a picture that waits for a fence", explained_by=HANG),
    rule("iommu-fault", r"\S+ \S+: (?:Unhandled context fault: |Event logged \[IO_PAGE_FAULT )|DMAR: \[DMA (?:Read|Write)", WARNING,
         "drivers/iommu/arm/arm-smmu/arm-smmu.c; amd/iommu.c; intel/dmar.c", explained_by=GPU_STOPPED),
    rule("sched-killed-entity", r"\[drm:drm_sched_entity_push_job.*?\] \*ERROR\* (?P<what>Trying to push to a killed entity)", WARNING,
         "scheduler/sched_entity.c", kind="sched", pressure=True),
    rule("sched-not-ready", r"\[drm\] (?P<what>scheduler) \S+ (?P<more>is not ready), skipping", WARNING,
         "scheduler/sched_main.c, drm_sched_pick_best(): its reset failed", kind="sched", explained_by=GPU_STOPPED),
    rule("sched-no-memory", r"(?:\S+ \S+: )?" + _DRM + r"drm_sched_init: (?P<what>Failed to setup GPU scheduler--out of memory)", WARNING,
         "scheduler/sched_main.c, drm_sched_init()", kind="sched", pressure=True),
    rule("ttm-swap-out", r"\[TTM\] (?P<what>Failed allocating swap storage)", WARNING, "ttm/ttm_tt.c, ttm_tt_swapout()", pressure=True),
    rule("ttm-eviction", r"\[TTM\] (?P<what>Buffer eviction failed|Failed to find memory space for buffer)", WARNING,
         "ttm/ttm_bo.c, ttm_bo_evict()", pressure=True),
    rule("ttm-page-table", r"\[TTM\] (?P<what>Failed allocating page table)", WARNING, "ttm/ttm_tt.c, ttm_tt_init()", pressure=True),
    rule("bo-not-made", r"(?P<what>qxl) \S+: object_init failed for \(", WARNING, "qxl/qxl_object.c, qxl_bo_create()", pressure=True),
    rule("vmwgfx-bo-not-made", _by("vmwgfx", "vmw_") + "(?P<what>Failed to allocate a buffer)", WARNING, "vmwgfx/vmwgfx_bo.c", **_NO_BO),
    rule("bo-left-behind", r"(?P<what>qxl) \S+: Userspace still has active objects", ERROR, "qxl/qxl_object.c, qxl_bo_force_delete()"),
)
