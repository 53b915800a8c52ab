# SPDX-License-Identifier: MIT
"""Kernels of the user's own: a source tree, a build tree, or a bare bzImage, each under a name that --kernel takes.

They are kept as one JSON file each below `$XDG_CONFIG_HOME/drmsqueeze/kernels`; nothing of them is in the project's tree.
"""

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from drmsqueeze import cache, progress
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.targets import MODELS

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
SCHEMA = "drmsqueeze.user-kernel/1"
# Without these no run is possible: the guest's init, the agent, the recorder and the evidence rest on them; nothing loads modules before
# them, so they must be built in.
BUILT_IN = ("64BIT", "PRINTK", "SERIAL_8250_CONSOLE", "PCI", "BLK_DEV_INITRD", "BINFMT_ELF", "BINFMT_SCRIPT", "MODULES", "PROC_FS", "SYSFS",
            "TMPFS", "DEVTMPFS", "DEBUG_FS", "UNIX", "FUTEX", "EPOLL", "EVENTFD", "TIMERFD", "SIGNALFD", "POSIX_TIMERS", "MEMFD_CREATE",
            "CGROUPS", "MEMCG", "PSI", "SWAP", "ZRAM", "BUG", "MAGIC_SYSRQ", "KALLSYMS_ALL", "KPROBES", "OF", "COMMON_CLK")
# Our modules are built against these. The copy of a modelled driver is loaded in the place of the kernel's own: that must be a module.
BUILT = {"DRM": "ym", "DRM_PANFROST": "m", "DEVICE_PRIVATE": "y", "SYNC_FILE": "y"}


def directory() -> Path:
    """Where the user's kernels are registered."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base).resolve() / "drmsqueeze" / "kernels"


def _config(text: str) -> dict[str, str]:
    return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M))


def missing_options(config: str) -> list[str]:
    """What a kernel's config lacks of what the lab cannot do without, each as it should be."""
    got = _config(config)
    wanted = dict.fromkeys(BUILT_IN, "y") | BUILT
    return [f"CONFIG_{name}={' or '.join(values)} (is {got.get(name, 'not set')})"
            for name, values in wanted.items() if got.get(name, "n") not in values]


def left_out(fragment: str, config: str) -> list[str]:
    """The options of the lab's fragment that a config does not have at all: what needs them is skipped, or says so."""
    got = _config(config)
    return [f"CONFIG_{name}" for name in _config(fragment) if name not in got]


def image_release(image: Path) -> str:
    """The release in the header of a bzImage (Documentation/arch/x86/boot.rst, `kernel_version`). Raises UsageError for anything else."""
    with image.open("rb") as file:
        head = file.read(1 << 16)
    if len(head) < 0x210 or head[0x202:0x206] != b"HdrS":
        raise UsageError(f"{image} is not a bzImage for x86")
    start = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    words = head[start : head.find(b"\0", start)].decode(errors="replace").split()
    if not words:
        raise UsageError(f"{image} does not say which release it is")
    return words[0]


@dataclass(frozen=True)
class UserKernel:
    name: str
    kind: str
    """`source`, `build` or `bzimage`."""
    path: Path
    release: str
    """As the tree or the image says when it is added."""

    @property
    def series(self) -> str:
        """The release to which the kernel belongs, as in 6.12: it picks the patches of variants."""
        found = re.match(r"\d+\.\d+", self.release)
        return found[0] if found else self.release

    @property
    def bare(self) -> bool:
        """Whether there is nothing to build modules against."""
        return self.kind == "bzimage"

    @property
    def description(self) -> str:
        what = {"source": "source tree, with the lab's config", "build": "build tree", "bzimage": "bare bzImage: only drivers without a model"}
        return f"yours, {self.release}: {what[self.kind]}; {self.path}"

    @cached_property
    def source(self) -> Path:
        """The source tree."""
        return (self.path / "source").resolve() if (self.path / "source").is_dir() else self.path

    def inputs(self) -> dict[str, str]:
        """All that decides what it is. Raises InfrastructureError where it is no longer there."""
        try:
            if self.kind == "source":
                return {"source": _tree_stamp(self.path)}
            if self.kind == "build":
                return {name: cache.file_digest(self.path / file) for name, file in
                        (("image", "arch/x86/boot/bzImage"), ("symvers", "Module.symvers"), ("config", ".config"))} | {
                            "build": str(self.path), "driver": cache.tree_digest(
                                *(place for driver in MODELS if (place := self.source / "drivers/gpu/drm" / driver).is_dir()))}
            return {"image": cache.file_digest(self.path)}
        except OSError as error:
            raise InfrastructureError(f"kernel `{self.name}` is gone ({error}); `drmsqueeze lab remove {self.name}` forgets it") from error

    def take(self, path: Path) -> None:
        """Fill an entry of the cache from a build tree or an image, which stay where they are."""
        build = path / "build"
        if self.kind == "build":
            build.symlink_to(self.path)
            (path / "source").symlink_to(self.source)
            with progress.step(f"taking the modules of {self.path}", 200) as shown:
                progress.run_logged(["make", "-C", self.path, f"INSTALL_MOD_PATH={path / 'modules'}", "INSTALL_MOD_STRIP=1",
                                     "modules_install"], path / "build.log", shown)
            return
        (build / "arch/x86/boot").mkdir(parents=True)
        (build / "include/config").mkdir(parents=True)
        shutil.copy(self.path, build / "arch/x86/boot/bzImage")
        (build / "include/config/kernel.release").write_text(image_release(self.path) + "\n")


def _tree_stamp(top: Path) -> str:
    """SHA-256 over names, sizes and times of the files of a source tree: its 80,000 files are not read for each run."""
    digest = sha256()
    for place, directories, files in os.walk(top):
        directories[:] = sorted(name for name in directories if name != ".git")
        for name in sorted(files):
            status = os.lstat(os.path.join(place, name))
            digest.update(f"{os.path.relpath(place, top)}/{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _source_release(top: Path) -> str:
    if not (top / "Kconfig").exists() or not (top / "drivers/gpu/drm").is_dir():
        raise UsageError(f"{top} is not a kernel source tree")
    if (top / ".config").exists() or (top / "include/config").exists():
        raise UsageError(f"{top} has been built in, and a kernel builds into another directory from a clean tree only: "
                         "add it as --build, or clean it with `make mrproper`")
    done = subprocess.run(["make", "-s", "-C", top, "kernelversion"], capture_output=True, text=True)
    if done.returncode:
        raise UsageError(f"{top}: `make kernelversion` fails: {done.stderr.strip()}")
    return done.stdout.split()[-1]


def _build_release(top: Path) -> str:
    for file, hint in ((".config", "configure and build it"), ("arch/x86/boot/bzImage", "build it (make bzImage modules)"),
                       ("Module.symvers", "build its modules (make modules)"), ("include/config/kernel.release", "build it")):
        if not (top / file).exists():
            raise UsageError(f"{top} has no {file}: {hint}")
    source = top / "source" if (top / "source").exists() else top
    if not (source / "drivers/gpu/drm/panfrost").is_dir():
        raise UsageError(f"{top}: its source, from which drivers are built again, is not at {source.resolve()}")
    missing = missing_options((top / ".config").read_text())
    if missing:
        raise UsageError(f"{top}/.config lacks what the lab cannot do without:\n  " + "\n  ".join(missing))
    return (top / "include/config/kernel.release").read_text().strip()


RELEASES = {"source": _source_release, "build": _build_release, "bzimage": image_release}


def all_of_them() -> Mapping[str, UserKernel]:
    """The user's kernels by name."""
    found = {}
    for file in sorted(directory().glob("*.json")):
        try:
            said = json.loads(file.read_text())
            found[file.stem] = UserKernel(file.stem, said["kind"], Path(said["path"]), said["release"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} is no registered kernel ({error!r}); remove it, and add the kernel again") from error
    return found


def add(name: str, kind: str, path: Path, taken: Iterable[str]) -> UserKernel:
    """Register a kernel. Raises UsageError for a bad name or one that is taken, and for a tree that will not do, with the reason."""
    if not NAME.fullmatch(name):
        raise UsageError(f"`{name}` is no name for a kernel: small letters, digits, dots, dashes and underscores, at most 40, "
                         "a letter or a digit first (a plus separates variants)")
    if name in taken or name.startswith("lab"):
        raise UsageError(f"`{name}`: names that begin with `lab` are those of the lab's own kernels")
    if name in all_of_them():
        raise UsageError(f"there is a kernel `{name}` already ({all_of_them()[name].path}); `drmsqueeze lab remove {name}` forgets it")
    path = path.resolve()
    if not (path.is_file() if kind == "bzimage" else path.is_dir()):
        raise UsageError(f"{path} is no {'file' if kind == 'bzimage' else 'directory'}")
    kernel = UserKernel(name, kind, path, RELEASES[kind](path))
    directory().mkdir(parents=True, exist_ok=True)
    (directory() / f"{name}.json").write_text(
        json.dumps({"schema": SCHEMA, "kind": kind, "path": str(path), "release": kernel.release}, indent=1) + "\n")
    return kernel


def remove(name: str) -> None:
    """Forget a kernel; what is in the cache of it stays there, for runs that are to be repeated."""
    if name not in all_of_them():
        raise UsageError(f"there is no kernel `{name}` of yours; there are: {', '.join(all_of_them()) or 'none'}")
    (directory() / f"{name}.json").unlink()
