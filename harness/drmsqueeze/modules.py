# SPDX-License-Identifier: MIT
"""Our modules for one kernel: GPU models, traps, probes, and the drivers that run on a model, patched with the variants of the kernel."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from drmsqueeze import cache, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.kernels import LAB, KernelSpec, LabKernel, Variant, jobs

# Where in the kernel source the drivers live that run on a model; an older kernel may lack one, and then has no module of it.
MODELLED_DRIVERS = {name: f"drivers/gpu/drm/{name}" for name in ("panfrost", "panthor", "lima", "msm")}
# What a driver's directory has since our way to build it fits (lab/glue): msm keeps the GPUs of each generation in a file since 6.11.
FITS_SINCE = {"msm": "adreno/a2xx_catalog.c"}
# Directories with files that are laid over a driver's own.
OVERLAYS = ("injectable", "glue")
# The same of drivers that need a header before each file, to take a device of QEMU as it is (lab/shims/NAME.h). Variants do not touch them.
SHIMMED_DRIVERS = {"vmwgfx": "drivers/gpu/drm/vmwgfx"}


@dataclass(frozen=True)
class Modules:
    """Our own modules for one kernel: the shared model part, the models, the driver copy, the traps; and drivers with a shim."""

    path: Path
    shimmed: Path

    def file(self, name: str) -> Path:
        """The module NAME.ko. Raises InfrastructureError where the build made none."""
        found = [module for module in self.all() if module.stem == name]
        if len(found) != 1:
            raise InfrastructureError(f"{self.path} and {self.shimmed} hold {len(found)} modules named {name}.ko, not one")
        return found[0]

    def all(self) -> list[Path]:
        return sorted([*self.path.rglob("*.ko"), *self.shimmed.rglob("*.ko")])

    @property
    def key(self) -> str:
        """The names of both entries of the cache."""
        return f"{self.path.name} {self.shimmed.name}"


def patch_driver(tree: Path, variant: Variant) -> None:
    """Apply a variant to a tree that holds drivers under their kernel paths; a hunk that fails is named."""
    done = subprocess.run(["patch", "-p1", "--forward", "--fuzz=0", "--batch", "--no-backup-if-mismatch", "-i", variant.patch],
                          cwd=tree, capture_output=True, text=True)
    if done.returncode:
        failed = "\n  ".join(re.findall(r"^.*(?:FAILED|can't find file|malformed).*$", done.stdout + done.stderr, re.M))
        raise InfrastructureError(f"variant {variant.name} does not apply to this kernel source ({variant.patch}):\n  {failed}")


def _make_modules(kernel: LabKernel, path: Path, what: str) -> None:
    """Build the external modules that lie in a directory, without their debug information."""
    log = path / "build.log"
    lines = 4 * len(list(path.rglob("*.c"))) // 3  # one for each file, and for what makes modules of them
    with progress.step(f"building {what}", lines) as shown:
        progress.run_logged(["make", "-C", kernel.path / "build", f"M={path}", jobs(), "modules"], log, shown)
        for module in sorted(path.rglob("*.ko")):
            progress.run_logged(["strip", "--strip-debug", module], log)


def _build_shimmed(kernel: LabKernel) -> Path:
    """The drivers of SHIMMED_DRIVERS, unmodified behind their shims; all kernels that share a vmlinux share them."""
    drivers = _shimmed_drivers(kernel)

    def build(path: Path) -> None:
        shutil.copytree(LAB / "shims", path, dirs_exist_ok=True)
        for name in drivers:
            shutil.copytree(kernel.path / "source" / SHIMMED_DRIVERS[name], path / name)
        if drivers:
            _make_modules(kernel, path, f"drivers with a shim: {', '.join(drivers)}")

    return cache.get("shimmed", {"kernel": kernel.path.name, "shims": cache.tree_digest(LAB / "shims")}, build)


def build_network(kernel: LabKernel) -> Path:
    """The directory with e1000.ko, the network card of the stand-in board: unmodified, from the source of this kernel."""

    def build(path: Path) -> None:
        shutil.copytree(kernel.path / "source/drivers/net/ethernet/intel/e1000", path, dirs_exist_ok=True)
        (path / "Makefile").unlink()
        shutil.copy(LAB / "net" / "Kbuild", path / "Kbuild")
        _make_modules(kernel, path, "the network card of the stand-in board")

    return cache.get("network", {"kernel": kernel.path.name, "lab": cache.tree_digest(LAB / "net")}, build)


def _shimmed_drivers(kernel: LabKernel) -> list[str]:
    """A driver that the kernel does not have as a module is not built as one."""
    return [name for name in SHIMMED_DRIVERS if f"CONFIG_DRM_{name.upper()}=m" in (kernel.config or "").splitlines()]


def build_modules(kernel: LabKernel, spec: KernelSpec, models: Path = LAB / "models") -> Modules:
    """Our modules for this kernel and these variants, built where the cache has none (seconds).

    `models` names another directory of models (a test builds wrong ones). There are none for a bare image.
    """
    if kernel.bare:
        return Modules(kernel.path / "no-modules", kernel.path / "no-modules")

    def build(path: Path) -> None:
        tree = path / "tree"
        drivers = {name: place for name, place in MODELLED_DRIVERS.items()
                   if (kernel.path / "source" / place / FITS_SINCE.get(name, "")).exists()}
        for place in drivers.values():
            shutil.copytree(kernel.path / "source" / place, tree / place)
        for variant in spec.variants:
            patch_driver(tree, variant)
        for name, place in drivers.items():
            shutil.move(tree / place, path / name)
            for overlay in OVERLAYS:
                if (LAB / overlay / name).is_dir():
                    shutil.copytree(LAB / overlay / name, path / name, dirs_exist_ok=True)
        shutil.rmtree(tree)
        shutil.copytree(models, path / "models")
        shutil.copytree(LAB / "traps", path / "traps")
        shutil.copytree(LAB / "probes", path / "probes")
        shutil.copy(LAB / "Kbuild", path / "Kbuild")
        _make_modules(kernel, path, f"the modules of {spec.name}")

    inputs = {
        "kernel": kernel.path.name,
        "models": cache.tree_digest(models),
        "lab": cache.tree_digest(LAB / "traps", LAB / "probes", *(LAB / overlay for overlay in OVERLAYS), LAB / "Kbuild"),
        "variants": " ".join(f"{v.name}:{cache.file_digest(v.patch)}" for v in spec.variants),
    }
    return Modules(cache.get("modules", inputs, build), _build_shimmed(kernel))
