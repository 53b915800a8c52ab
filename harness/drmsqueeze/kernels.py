# SPDX-License-Identifier: MIT
"""Kernels: the lab kernels and their variants.

A kernel is named `lab`, or `lab+VARIANT[+VARIANT...]`. All variants share one vmlinux; each has its own copy of the driver's directory,
patched with `lab/variants/VARIANT/SERIES.patch` and built as an external module with its MMIO redirected to a GPU model (modules.py).
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drmsqueeze import cache, progress, user_kernels
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.user_kernels import UserKernel
from drmsqueeze.variants import LAB, Variant, describe, nearest, variants

FRAGMENT = LAB / "kernel.config"


@dataclass(frozen=True)
class Base:
    """A kernel before any variant: what it asks for on top of FRAGMENT, and what memory that costs."""

    description: str
    series: str = "6.12"
    """The release whose Debian source it is built from; it picks the patches of variants too."""
    fragment: Path | None = None
    ram_factor: float = 1.0
    more_ram_mib: int = 0
    lockdep: bool = False
    """Whether lockdep looks on."""
    source_of: str | None = None
    """The base whose unpacked source this one shares; None for one that unpacks its own."""
    user: UserKernel | None = None
    """Where it is the user's own."""

    @property
    def source(self) -> Path:
        """The kernel source as Debian packages it."""
        return Path(f"/usr/src/linux-source-{self.series}.tar.xz")

    @property
    def series_fragment(self) -> Path | None:
        """What its release needs or lacks against FRAGMENT, which is written for 6.12."""
        path = LAB / f"kernel-{self.series}.config"
        return path if path.exists() else None

    def differences(self) -> list[str]:
        """What it is asked for otherwise than `lab`, because of its release: each option with the reason in its fragment."""
        text = self.series_fragment.read_text() if self.series_fragment else ""
        return [f"{line.removeprefix('# ')} ({reason})" for reason, line in re.findall(r"^# (.+)\n((?:# )?CONFIG_.+)$", text, re.M)]

    def asked(self) -> str:
        """The config that it asks for on top of tinyconfig."""
        more = self.fragment.read_text() if self.fragment else ""
        own = self.series_fragment.read_text() if self.series_fragment else ""
        return in_place_of(FRAGMENT.read_text(), own) + own + more

    @property
    def installed(self) -> bool:
        """Whether what it is made of is on this machine."""
        return self.user.path.exists() if self.user else self.source.exists()

    def ram_mib(self, asked: int) -> int:
        """What a guest is given whose scenario asks for so much, so that about as much is left for its work as on `lab`."""
        return round(asked * self.ram_factor) + self.more_ram_mib


BASES: Mapping[str, Base] = {
    "lab": Base("Debian's linux-source-6.12 with lab/kernel.config"),
    # KASAN's shadow is an eighth of all memory and its quarantine of freed objects up to a thirty-second (mm/kasan/quarantine.c); the
    # rest is a kernel of twice the size, lockdep's tables and kmemleak's objects. Measured, with panfrost loaded and idle: MemAvailable
    # is 202 MB of 256 MiB on lab, 194 of 384 and 300 of 512 on lab-debug.
    "lab-debug": Base("the same with lockdep, KASAN, kmemleak and debug objects", fragment=LAB / "kernel-debug.config", ram_factor=1.25,
                      more_ram_mib=96, lockdep=True, source_of="lab"),
    "lab-6.1": Base("Debian's linux-source-6.1 with lab/kernel.config", series="6.1"),
}


def bases() -> dict[str, Base]:
    """The lab's own kernels and the user's, by name."""
    return {**BASES, **{name: Base(one.description, one.series, user=one) for name, one in user_kernels.all_of_them().items()}}


# Detectors that look at every access, lock or object.
SLOW = ("CONFIG_KASAN", "CONFIG_KCSAN", "CONFIG_KMSAN", "CONFIG_PROVE_LOCKING", "CONFIG_DEBUG_OBJECTS", "CONFIG_DEBUG_PAGEALLOC")
# Output lines of a whole build with this fragment on 6.12.117; for the progress bar only.
BUILD_LINES = 3600
def jobs() -> str:
    """The -j of make."""
    # One more than there are cores keeps them busy while a compiler waits for the disk.
    return f"-j{(os.cpu_count() or 1) + 1}"


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def option_names(config: str) -> set[str]:
    """The options that a config sets or says to be unset."""
    return {name for pair in re.findall(r"^(CONFIG_\w+)=|^# (CONFIG_\w+) is not set$", config, re.M) for name in pair if name}


def in_place_of(fragment: str, other: str) -> str:
    """A config fragment without the lines of options that stand in the other one."""
    named = option_names(other)
    return "".join(line for line in fragment.splitlines(keepends=True) if named.isdisjoint(option_names(line)))


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

    @property
    def bare(self) -> bool:
        """Whether it is an image and nothing else: no modules of ours can be built against it."""
        return not (self.path / "build/Module.symvers").exists()

    @cached_property
    def config(self) -> str | None:
        """Its config; None of a bare image."""
        path = self.path / "build/.config"
        return path.read_text() if path.exists() else None

    @property
    def slow(self) -> bool:
        """Whether it looks after itself in a way that takes several times the time, or may do so: a bare image does not say."""
        return self.config is None or any(f"{name}=y\n" in self.config for name in SLOW)

    @cached_property
    def config_sha256(self) -> str | None:
        return cache.file_digest(self.path / "build/.config") if self.config is not None else None


def lab_kernel_inputs(base: str = "lab") -> dict[str, str]:
    """All that decides what a lab kernel is. Raises InfrastructureError where the source is not installed."""
    what = bases()[base]
    if not what.user and not what.source.exists():
        raise InfrastructureError(f"{what.source} is not there: install the Debian package linux-source-{what.series}")
    if what.user and what.user.kind != "source":
        return what.user.inputs()
    more = {"more": what.fragment, "series": what.series_fragment}
    return {name: cache.file_digest(path) for name, path in more.items() if path} | (
        what.user.inputs() if what.user else {"source": cache.file_digest(what.source)}) | {
        "fragment": cache.file_digest(FRAGMENT),
        "compiler": _first_line("gcc", "--version"),
        "linker": _first_line("ld", "--version"),
        "layout": "1",  # of the entry; to be counted up when _build_lab_kernel changes what it leaves behind
    }


def _build_lab_kernel(path: Path, base: str) -> None:
    log = path / "build.log"
    what = bases()[base]
    source, build = path / "source", path / "build"
    build.mkdir()
    make = ["make", "-C", str(source), f"O={build}"]
    shared = what.user.path if what.user else lab_kernel(what.source_of).path / "source" if what.source_of else None
    if shared:
        source.symlink_to(shared)
    with progress.step(f"building the {base} kernel {what.series} (once; log: {log})", BUILD_LINES) as shown:
        if not shared:
            source.mkdir()
            progress.run_logged(["tar", "-xf", what.source, "-C", source, "--strip-components=1"], log)
        progress.run_logged([*make, "tinyconfig"], log)
        with (build / ".config").open("a") as file:
            file.write(what.asked())
        progress.run_logged([*make, "olddefconfig"], log)
        config = (build / ".config").read_text()
        dropped = dropped_options(what.asked(), config)
        if what.user:
            # It may be of any release: options that it does not have are said, those that the lab cannot do without stop it.
            if missing := user_kernels.missing_options(config):
                raise InfrastructureError(f"{what.user.path} cannot be configured for the lab:\n  " + "\n  ".join(missing))
            for option in dropped:
                progress.say(f"kernel {base}: not as lab/kernel.config asks: {option}")
        elif dropped:
            fragments = " and ".join(str(f) for f in (FRAGMENT, what.series_fragment, what.fragment) if f)
            raise InfrastructureError(f"{fragments}: the build drops options:\n  " + "\n  ".join(dropped))
        progress.run_logged([*make, jobs(), "bzImage", "modules"], log, shown)
        progress.run_logged([*make, f"INSTALL_MOD_PATH={path / 'modules'}", "INSTALL_MOD_STRIP=1", "modules_install"], log)
        progress.run_logged([*make, f"INSTALL_HDR_PATH={path / 'uapi'}", "headers_install"], log)


def _make_kernel(path: Path, base: str) -> None:
    user = bases()[base].user
    if user and user.kind != "source":
        user.take(path)
    else:
        _build_lab_kernel(path, base)


def lab_kernel(base: str = "lab") -> LabKernel:
    """The kernel of a base, built now where the cache has none for these inputs (some minutes); the user's own where it is one."""
    return LabKernel(cache.get("kernels", lab_kernel_inputs(base), lambda path: _make_kernel(path, base)))


def lab_kernel_built(base: str = "lab") -> bool:
    """Whether the cache holds this lab kernel for what is in the tree and on this machine now."""
    return bases()[base].installed and cache.find("kernels", lab_kernel_inputs(base)) is not None


def built_with(config_sha256: str | None, release: str | None) -> LabKernel | None:
    """A lab kernel in the cache with this configuration and release, whatever the tree asks for today; None where there is none."""
    for done in sorted((cache.root() / "kernels").glob(f"*/{cache.COMPLETE}")):
        if not (done.parent / "build/.config").exists():  # a bare image: no record names it by its configuration
            continue
        kernel = LabKernel(done.parent)
        if kernel.config_sha256 == config_sha256 and kernel.release == release:
            return kernel
    return None


def known_variants(base: Base) -> dict[str, Variant]:
    """The variants that a base can have: those of its release, and on a user's kernel of another one those of the nearest before it."""
    return nearest(base.series) if base.user else variants(base.series)


def describe_variants() -> list[tuple[str, str]]:
    """The name of each variant, with what is to be known of it."""
    return describe(dict.fromkeys(base.series for base in BASES.values()))


def _variant(kernel: str, name: str, base: Base) -> Variant:
    known, series = known_variants(base), base.series
    if name in known:
        return known[name]
    others = sorted(patch.stem for patch in (LAB / "variants" / name).glob("*.patch")) if re.fullmatch(r"[\w.-]+", name) else []
    if others:
        raise UsageError(f"kernel `{kernel}`: variant `{name}` has no patch for {series} (lab/variants/{name}/{series}.patch), "
                         f"only for {' and '.join(others)}; there are for {series}: {', '.join(known) or 'none'}")
    raise UsageError(f"kernel `{kernel}`: there is no variant `{name}`; there are: {', '.join(known) or 'none'}")


@dataclass(frozen=True)
class KernelSpec:
    """A kernel as the user names it: a base and variants of it, in the order in which their patches are applied."""

    name: str
    base: str
    variants: tuple[Variant, ...]

    @staticmethod
    def parse(name: str) -> "KernelSpec":
        """Raises UsageError for a kernel that does not exist, and says which do."""
        base, *wanted = name.split("+")
        known = bases()
        if base not in known:
            raise UsageError(f"there is no kernel `{base}`; there are {' and '.join(known)}, alone or with variants: {', '.join(variants())}")
        user = known[base].user
        if wanted and user and user.bare:
            raise UsageError(f"kernel `{name}`: {base} is a bare bzImage, and variants are patches of a driver's source: add its source or build tree")
        if len(set(wanted)) != len(wanted):
            raise UsageError(f"kernel `{name}` names a variant twice")
        applied: dict[str, Variant] = {}
        for variant in (_variant(name, one, known[base]) for one in wanted):
            for needed in variant.needs:
                if needed in wanted:
                    raise UsageError(f"kernel `{name}`: {variant.name} is {needed} with a change; name one of the two")
                applied.setdefault(needed, _variant(name, needed, known[base]))
            applied[variant.name] = variant
        return KernelSpec(name, base, tuple(applied.values()))
