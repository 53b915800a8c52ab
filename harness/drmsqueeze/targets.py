# SPDX-License-Identifier: MIT
"""Target drivers on machine `vm`: which modules a guest loads for each, and which device QEMU must offer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """`module` is the driver's, `parameters` what it is loaded with (`:NAME=VALUE...`); `device` is QEMU's, none where a GPU
    model or software stands behind the driver. `needs` are modules that it asks for by name only once it runs, where nobody answers."""

    module: str
    device: str | None = None
    parameters: str = ""
    needs: tuple[str, ...] = ()


# By the name that DRM_IOCTL_VERSION gives. The devices' memory is small, so that it can be filled.
TARGETS: Mapping[str, Target] = {
    "panfrost": Target("panfrost"),
    "panthor": Target("panthor", needs=("governor_simpleondemand",)),
    "lima": Target("lima"),
    # Before its GPU is bound, msm does not know that an a2xx has an MMU, and would take 16 MiB for BOs in one piece (msm_init_vram()).
    "msm": Target("msm", parameters=":vram=0"),
    "vgem": Target("vgem"),
    "vkms": Target("vkms"),
    "virtio_gpu": Target("virtio-gpu", "virtio-gpu-pci"),
    "bochs-drm": Target("bochs", "bochs-display,vgamem=16M"),
    # Almost all of ram_size_mb is memory for buffer objects (TTM's VRAM); vram_size_mb is for surfaces, which nobody makes here.
    "qxl": Target("qxl", "qxl,ram_size_mb=16,vgamem_mb=4,vram_size_mb=8"),
    # With force_coherent TTM takes its pages from the DMA API, and keeps what is freed in its page pool, cached pages too
    # (ttm_pool.c, ttm_pool_select_type()): the other drivers of this table never fill that pool.
    "vmwgfx": Target("vmwgfx", "vmware-svga", ":force_coherent=1"),
}

# The GPU model that stands in for a driver's hardware on machine vm.
MODELS: Mapping[str, str] = {"panfrost": "mali-jm", "panthor": "mali-csf", "lima": "mali-utgard", "msm": "adreno-a2xx"}

# The model whose firmware has a policy for an answer to its out-of-memory event without a chunk (target.oom_null).
OOM_NULL_MODEL = "mali-csf"

# Modules of the kernel that a stressor works through, beside the target's drivers.
STRESSOR_MODULES: Mapping[str, tuple[str, ...]] = {
    "device-fault": ("test_hmm",),
}


# Traps that share a module; that of any other is named after it.
TRAP_MODULES: Mapping[str, str] = {
    **dict.fromkeys(("kept-gem-object", "kept-dma-buf", "kept-sync-file"), "trap_kept_reference"),
    **dict.fromkeys(("shrinker-counts-nothing", "shrinker-locks-resv", "shrinker-waits-for-lock", "shrinker-goes-on", "shrinker-lies",
                     "shrinker-stands-still"), "trap_bad_shrinker"),
    **dict.fromkeys(("slow-growth", "stuck-growth", "slow-growth-pages", "slow-growth-answer", "slow-chunk-return",
                     "slow-doubling"), "trap_slow_growth"),
}


def drivers_of(target: Mapping[str, Any]) -> list[str]:
    """The driver under test and those that take part beside it."""
    return [target["driver"], *target.get("companions", ())]


def oom_null(target: Mapping[str, Any]) -> str | None:
    """The policy of the model's firmware for an answer without a chunk; None where no model has one."""
    return target.get("oom_null", "default") if target.get("model") == OOM_NULL_MODEL else None


def devices(target: Mapping[str, Any]) -> list[str]:
    """What QEMU must offer for a target, as values of its -device option."""
    return [device for name in drivers_of(target) if (device := TARGETS[name].device)]


def modules(target: Mapping[str, Any], traps: Sequence[Mapping[str, Any]], driver_timeout_ms: int | None = None,
            stressors: Iterable[str] = ()) -> list[str]:
    """The modules that a guest loads for a target, in order, with their parameters.

    `driver_timeout_ms` replaces the driver's own job timeout (of the DRM scheduler); None leaves it. `stressors` are the kinds of
    those that run.
    """
    loaded = []
    models = [target["model"]] if "model" in target else []
    models += [MODELS[name] for name in target.get("companions", ()) if name in MODELS]
    if models:
        timeout = f":sched_timeout_ms={driver_timeout_ms}" if driver_timeout_ms is not None else ""
        loaded += [f"gpu_model{timeout}", *(model.replace("-", "_") + (f":oom_null={target['oom_null']}" if model == OOM_NULL_MODEL
                                            and "oom_null" in target else "") for model in models)]
    loaded += [needed for name in drivers_of(target) for needed in TARGETS[name].needs]
    loaded += [TARGETS[name].module + TARGETS[name].parameters for name in drivers_of(target)]
    loaded += dict.fromkeys(module for kind in stressors for module in STRESSOR_MODULES.get(kind, ()))
    return loaded + list(dict.fromkeys(TRAP_MODULES.get(trap["trap"], "trap_" + trap["trap"].replace("-", "_")) for trap in traps))


# Probes that look on where they can, and that no scenario depends on.
ONLOOKERS = ("who_waits", "shrinker_rules")


def probes(injectors: Sequence[Mapping[str, Any]], stressors: Iterable[str] = (), traps: Sequence[Mapping[str, Any]] = (),
           judged_by_lockdep: bool = False) -> list[str]:
    """Modules of ours (lab/probes) for a scenario, to be loaded after all others, since they find what is there.

    `who_waits` looks on in every run (who waits for whom); `fault_site` and `reclaim_shrinkers` work for one injector each;
    `shrinker_rules` watches wherever shrinkers are what a scenario is about and lockdep does not.
    """
    kinds = {injector["kind"] for injector in injectors} | set(stressors)
    loaded = ["who_waits"]
    if "fail-nth" in kinds:
        loaded.append("fault_site")
    if any(injector["kind"] == "shrinker-scan" and injector.get("method") == "inside-reclaim" for injector in injectors):
        loaded.append("reclaim_shrinkers")
    about_shrinkers = (not kinds.isdisjoint({"shrinker", "shrinker-scan"})
                       or any(TRAP_MODULES.get(trap["trap"]) == "trap_bad_shrinker" for trap in traps))
    if about_shrinkers and not judged_by_lockdep:
        loaded.append("shrinker_rules")
    return loaded
