# SPDX-License-Identifier: MIT
"""Kernels: the lab kernel, its variants, and the driver and model modules that go with them.

A kernel is named `lab`, or `lab+VARIANT[+VARIANT...]`. All variants share one vmlinux; each has its own copy of the driver's
directory, patched with `lab/variants/VARIANT/6.12.patch` and built as an external module with its MMIO redirected to a GPU model.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drmsqueeze import TOP, cache, progress
from drmsqueeze.errors import InfrastructureError, UsageError

LAB = TOP / "lab"
FRAGMENT = LAB / "kernel.config"


@dataclass(frozen=True)
class Base:
    """A kernel of our own, before any variant: what it asks for on top of FRAGMENT, and what memory that costs."""

    description: str
    fragment: Path | None = None
    ram_factor: float = 1.0
    more_ram_mib: int = 0
    lockdep: bool = False
    """Whether lockdep looks on."""

    def ram_mib(self, asked: int) -> int:
        """What a guest is given whose scenario asks for so much, so that about as much is left for its work as on `lab`."""
        return round(asked * self.ram_factor) + self.more_ram_mib


BASES: Mapping[str, Base] = {
    "lab": Base("Debian's linux-source-6.12 with lab/kernel.config"),
    # KASAN's shadow is an eighth of all memory and its quarantine of freed objects up to a thirty-second (mm/kasan/quarantine.c); the
    # rest is a kernel of twice the size, lockdep's tables and kmemleak's objects. Measured, with panfrost loaded and idle: MemAvailable
    # is 202 MB of 256 MiB on lab, 194 of 384 and 300 of 512 on lab-debug.
    "lab-debug": Base("the same with lockdep, KASAN, kmemleak and debug objects", LAB / "kernel-debug.config", 1.25, 96, lockdep=True),
}
SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")
SERIES = "6.12"
# Output lines of a whole build with this fragment on 6.12.117; for the progress bar only.
BUILD_LINES = 3600
# Where in the kernel source the drivers live that run on a model.
MODELLED_DRIVERS = {"panfrost": "drivers/gpu/drm/panfrost"}
# The same of drivers that need a header before each file, to take a device of QEMU as it is (lab/shims/NAME.h). Variants do not touch them.
SHIMMED_DRIVERS = {"vmwgfx": "drivers/gpu/drm/vmwgfx"}


def _jobs() -> str:
    # One more than there are cores keeps them busy while a compiler waits for the disk.
    return f"-j{(os.cpu_count() or 1) + 1}"


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def dropped_options(asked: str, config: str) -> list[str]:
    """The lines of a config fragment that do not stand in the final config, each with what stands there instead."""
    got = {line.split("=", 1)[0]: line for line in config.splitlines() if line.startswith("CONFIG_")}
    result = []
    for line in asked.splitlines():
        name = line.split("=", 1)[0]
        if line.startswith("CONFIG_") and got.get(name) != line:
            result.append(f"{line} (became {got.get(name, 'unset')})")
    return result


@dataclass(frozen=True)
class LabKernel:
    """The lab kernel in the cache: a source tree, a build tree, modules and uAPI headers."""

    path: Path

    @property
    def image(self) -> Path:
        return self.path / "build/arch/x86/boot/bzImage"

    @property
    def uapi(self) -> Path:
        """Include directory with the kernel's uAPI headers."""
        return self.path / "uapi/include"

    @cached_property
    def release(self) -> str:
        return (self.path / "build/include/config/kernel.release").read_text().strip()

    @property
    def modules(self) -> Path:
        """The directory that `modprobe -d` would take for its root."""
        return self.path / "modules"

    @cached_property
    def config_sha256(self) -> str:
        return cache.file_digest(self.path / "build/.config")


def lab_kernel_inputs(base: str = "lab") -> dict[str, str]:
    """All that decides what a lab kernel is. Raises InfrastructureError where the source is not installed."""
    if not SOURCE.exists():
        raise InfrastructureError(f"{SOURCE} is not there: install the Debian package linux-source-{SERIES}")
    more = BASES[base].fragment
    return ({} if more is None else {"more": cache.file_digest(more)}) | {
        "source": cache.file_digest(SOURCE),
        "fragment": cache.file_digest(FRAGMENT),
        "compiler": _first_line("gcc", "--version"),
        "linker": _first_line("ld", "--version"),
        "layout": "1",  # of the entry; to be counted up when _build_lab_kernel changes what it leaves behind
    }


def _build_lab_kernel(path: Path, base: str) -> None:
    log = path / "build.log"
    source, build = path / "source", path / "build"
    more = BASES[base].fragment
    asked = FRAGMENT.read_text() + (more.read_text() if more else "")
    build.mkdir()
    make = ["make", "-C", str(source), f"O={build}"]
    if base != "lab":
        source.symlink_to(lab_kernel().path / "source")
    with progress.step(f"building the {base} kernel {SERIES} (once; log: {log})", BUILD_LINES) as shown:
        if base == "lab":
            source.mkdir()
            progress.run_logged(["tar", "-xf", SOURCE, "-C", source, "--strip-components=1"], log)
        progress.run_logged([*make, "tinyconfig"], log)
        with (build / ".config").open("a") as config:
            config.write(asked)
        progress.run_logged([*make, "olddefconfig"], log)
        dropped = dropped_options(asked, (build / ".config").read_text())
        if dropped:
            raise InfrastructureError(f"{FRAGMENT}{f' and {more}' if more else ''}: the build drops options:\n  " + "\n  ".join(dropped))
        progress.run_logged([*make, _jobs(), "bzImage", "modules"], log, shown)
        progress.run_logged([*make, f"INSTALL_MOD_PATH={path / 'modules'}", "INSTALL_MOD_STRIP=1", "modules_install"], log)
        progress.run_logged([*make, f"INSTALL_HDR_PATH={path / 'uapi'}", "headers_install"], log)


def lab_kernel(base: str = "lab") -> LabKernel:
    """A lab kernel, built now where the cache has none for these inputs (some minutes)."""
    return LabKernel(cache.get("kernels", lab_kernel_inputs(base), lambda path: _build_lab_kernel(path, base)))


def lab_kernel_built(base: str = "lab") -> bool:
    """Whether the cache holds this lab kernel for what is in the tree and on this machine now."""
    return SOURCE.exists() and cache.find("kernels", lab_kernel_inputs(base)) is not None


def built_with(config_sha256: str | None, release: str | None) -> LabKernel | None:
    """A lab kernel in the cache with this configuration and release, whatever the tree asks for today; None where there is none."""
    for done in sorted((cache.root() / "kernels").glob(f"*/{cache.COMPLETE}")):
        kernel = LabKernel(done.parent)
        if kernel.config_sha256 == config_sha256 and kernel.release == release:
            return kernel
    return None


@dataclass(frozen=True)
class Variant:
    name: str
    patch: Path

    @property
    def description(self) -> str:
        """The text before the first hunk: its first line."""
        return self.patch.read_text().splitlines()[0].strip()


def variants() -> dict[str, Variant]:
    """All variants of the lab kernel in the tree, by name."""
    patches = sorted((LAB / "variants").glob(f"*/{SERIES}.patch"))
    return {patch.parent.name: Variant(patch.parent.name, patch) for patch in patches}


@dataclass(frozen=True)
class KernelSpec:
    """A kernel as the user names it: `lab` and variants of it, in the order in which their patches are applied."""

    name: str
    base: str
    variants: tuple[Variant, ...]

    @staticmethod
    def parse(name: str) -> "KernelSpec":
        """Raises UsageError for a kernel that does not exist, and says which do."""
        base, *wanted = name.split("+")
        known = variants()
        if base not in BASES:
            raise UsageError(f"there is no kernel `{base}`; there are {' and '.join(BASES)}, alone or with variants: {', '.join(known)}")
        unknown = [v for v in wanted if v not in known]
        if unknown:
            raise UsageError(f"kernel `{name}`: there is no variant `{unknown[0]}`; there are: {', '.join(known)}")
        if len(set(wanted)) != len(wanted):
            raise UsageError(f"kernel `{name}` names a variant twice")
        return KernelSpec(name, base, tuple(known[v] for v in wanted))


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
    with progress.step(f"building {what}", 60) as shown:
        progress.run_logged(["make", "-C", kernel.path / "build", f"M={path}", _jobs(), "modules"], log, shown)
        for module in sorted(path.rglob("*.ko")):
            progress.run_logged(["strip", "--strip-debug", module], log)


def _build_shimmed(kernel: LabKernel) -> Path:
    """The drivers of SHIMMED_DRIVERS, unmodified behind their shims; all kernels that share a vmlinux share them."""

    def build(path: Path) -> None:
        shutil.copytree(LAB / "shims", path, dirs_exist_ok=True)
        for name, place in SHIMMED_DRIVERS.items():
            shutil.copytree(kernel.path / "source" / place, path / name)
        _make_modules(kernel, path, f"drivers with a shim: {', '.join(SHIMMED_DRIVERS)}")

    return cache.get("shimmed", {"kernel": kernel.path.name, "shims": cache.tree_digest(LAB / "shims")}, build)


def build_modules(kernel: LabKernel, spec: KernelSpec, models: Path = LAB / "models") -> Modules:
    """Our modules for this kernel and these variants, built where the cache has none (seconds).

    `models` names another directory of models (a test builds wrong ones).
    """

    def build(path: Path) -> None:
        tree = path / "tree"
        for name, place in MODELLED_DRIVERS.items():
            shutil.copytree(kernel.path / "source" / place, tree / place)
        for variant in spec.variants:
            patch_driver(tree, variant)
        for name, place in MODELLED_DRIVERS.items():
            shutil.move(tree / place, path / name)
            if (LAB / "injectable" / name).is_dir():
                shutil.copytree(LAB / "injectable" / name, path / name, dirs_exist_ok=True)
        shutil.rmtree(tree)
        shutil.copytree(models, path / "models")
        shutil.copytree(LAB / "traps", path / "traps")
        shutil.copytree(LAB / "probes", path / "probes")
        shutil.copy(LAB / "Kbuild", path / "Kbuild")
        _make_modules(kernel, path, f"the modules of {spec.name}")

    inputs = {
        "kernel": kernel.path.name,
        "models": cache.tree_digest(models),
        "lab": cache.tree_digest(LAB / "traps", LAB / "probes", LAB / "injectable", LAB / "Kbuild"),
        "variants": " ".join(f"{v.name}:{cache.file_digest(v.patch)}" for v in spec.variants),
    }
    return Modules(cache.get("modules", inputs, build), _build_shimmed(kernel))
