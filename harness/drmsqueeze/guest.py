# SPDX-License-Identifier: MIT
"""What runs in the guest: the C++ programs, and the initramfs that holds them with the modules of one kernel."""

import itertools
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drmsqueeze import TOP, cache, firmware, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.kernels import LAB, KernelSpec, LabKernel, bases, lab_kernel
from drmsqueeze.modules import MODELLED_DRIVERS, SHIMMED_DRIVERS, Modules, build_modules
from drmsqueeze.targets import STRESSOR_MODULES, TARGETS

BUSYBOX = Path("/bin/busybox")
INIT = LAB / "guest" / "init"
AGENT = "drmsqueeze-agent"
PROGRAMS = (AGENT, "drmsqueeze-bench")
# What injectors start, by their kind. An initramfs is memory of the guest for good, and stress-ng with its libraries is 33 MB of it: so
# they are only in images of guests whose scenario names them.
TOOLS: Mapping[str, Path] = {"stress-ng": Path("/usr/bin/stress-ng")}
CPP_INPUTS = [TOP / name for name in ("CMakeLists.txt", "agent", "stressors", "injectors", "bench", "lab/models/mali_csf_instr.h")]
# Kernel modules in every image beside ours and what these depend on: target drivers, and for the model's tests and the WARN self-test.
EXTRA_MODULES = ("kunit", "lkdtm", *(target.module for target in TARGETS.values()), *itertools.chain(*(target.needs for target in TARGETS.values())),
                 *itertools.chain(*STRESSOR_MODULES.values()))


def build_programs(kernel: LabKernel) -> Path:
    """The directory with the programs of the target, built where they are out of date, with the uAPI headers of a kernel.

    Those of base `lab` serve every kernel: all arms run the same programs, and an older kernel answers what it does not know.
    """

    def build(path: Path) -> None:
        _compile(path, kernel, "target", "building the agent", PROGRAMS, ["-DDRMSQUEEZE_BENCH=ON"])
        for program in PROGRAMS:
            progress.run_logged(["strip", path / program], path / "build.log")

    return cache.get("programs", _compile_inputs(kernel, *CPP_INPUTS), build)


def _compile(path: Path, kernel: LabKernel, tree: str, what: str, programs: Sequence[str], options: Sequence[str]) -> None:
    """Build programs in a tree below build/, and put them with the log into a directory."""
    place, log = TOP / "build" / tree, path / "build.log"
    progress.run_logged(["cmake", "-S", TOP, "-B", place, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DDRMSQUEEZE_TESTS=OFF",
                         f"-DDRMSQUEEZE_UAPI_DIR={kernel.uapi}", *options], log)
    steps = len(subprocess.run(["cmake", "--build", place, "--", "-n"], capture_output=True, text=True).stdout.splitlines())
    with progress.step(what, steps) as shown:
        progress.run_logged(["cmake", "--build", place], log, shown)
    for program in programs:
        if not (place / program).is_file():
            raise InfrastructureError(f"the build made no {program} (log: {log})")
        shutil.copy(place / program, path / program)


def _compile_inputs(kernel: LabKernel, *sources: Path) -> dict[str, str]:
    return {"sources": cache.tree_digest(*sources), "uapi": cache.tree_digest(kernel.uapi),
            "compiler": subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]}


TOOLCHAINS = {"x86_64": (), "aarch64": (f"-DCMAKE_TOOLCHAIN_FILE={TOP / 'cmake' / 'arm64.cmake'}",)}


def build_for_boards(architecture: str) -> Path:
    """The directory with the agent for boards of an architecture (uname -m): one static program, which needs nothing of theirs.

    Raises InfrastructureError for an architecture that we do not build for, and where the cross compiler is missing.
    """
    if architecture not in TOOLCHAINS:
        raise InfrastructureError(f"no agent is built for boards with architecture {architecture}; there is one for {', '.join(TOOLCHAINS)}")
    kernel = lab_kernel()

    def build(path: Path) -> None:
        _compile(path, kernel, f"board-{architecture}", f"building the agent for boards ({architecture})", [AGENT],
                 ["-DDRMSQUEEZE_STATIC=ON", "-DDRMSQUEEZE_BENCH=OFF", *TOOLCHAINS[architecture]])

    return cache.get("board-programs", _compile_inputs(kernel, *CPP_INPUTS, TOP / "cmake") | {"architecture": architecture}, build)


def _shared_libraries(program: Path) -> list[Path]:
    """The shared libraries and the loader that a program needs, as ldd finds them here."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True)
    return [Path(p) for p in re.findall(r"(/\S+) \(0x", out.stdout)]


def _install_modules(root: Path, kernel: LabKernel, ours: Modules) -> None:
    """Our modules and the kernel's own that they need, with the index that modprobe reads."""
    target = root / "lib/modules" / kernel.release
    shutil.copytree(kernel.modules / "lib/modules" / kernel.release, target, symlinks=True)
    for name in (*MODELLED_DRIVERS, *SHIMMED_DRIVERS):
        for module in target.rglob(f"{name}.ko"):
            module.unlink()
    (target / "extra").mkdir()
    wanted = set(EXTRA_MODULES)
    for module in ours.all():
        shutil.copy(module, target / "extra")
        wanted.add(module.stem)
    depmod = ["/usr/sbin/depmod", "-b", str(root), kernel.release]
    subprocess.run(depmod, check=True)
    keep: set[str] = set()
    for line in (target / "modules.dep").read_text().splitlines():
        name, needs = line.split(":")
        if Path(name).stem in wanted:
            keep.update([name, *needs.split()])
    for module in target.rglob("*.ko"):
        if str(module.relative_to(target)) not in keep:
            module.unlink()
    subprocess.run(depmod, check=True)


def _install_firmware(root: Path, ours: Modules) -> None:
    """What drivers on a model ask the kernel for, where they are."""
    images = {"panthor": {firmware.PANTHOR_PATH: firmware.image()}, "msm": dict.fromkeys(firmware.MSM_PATHS, firmware.MSM_IMAGE)}
    for module in ours.all():
        for name, image in images.get(module.stem, {}).items():
            place = root / "lib/firmware" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(image)


def pack(root: Path, image: Path, base: Path | None = None) -> None:
    """Make an initramfs of all that lies below `root`, owned by root whoever builds it.

    With `base` it has what that one has besides: the kernel unpacks archives that follow each other.
    """
    names = "\0".join(sorted(str(p.relative_to(root)) for p in root.rglob("*")))
    with image.open("wb") as out:
        out.write(base.read_bytes() if base else b"")
        out.flush()
        subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0", "--quiet"], cwd=root, check=True,
                       input=names.encode(), stdout=out)


def install_programs(root: Path, programs: Iterable[tuple[Path, Path]]) -> None:
    """Copy programs, each to its place in the image, and the shared libraries that they need."""
    for program, destination in programs:
        for file, place in [(program, root / destination), *((lib, root / str(lib).lstrip("/")) for lib in _shared_libraries(program))]:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
            place.chmod(place.stat().st_mode | stat.S_IXUSR)


def tools_of(injectors: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """Which tools a scenario's injectors need in the guest."""
    return sorted({injector["kind"] for injector in injectors} & TOOLS.keys())


@dataclass(frozen=True)
class Guest:
    """All that QEMU needs to start one kernel with its modules and programs."""

    spec: KernelSpec
    kernel: LabKernel
    modules: Modules
    initramfs: Path

    def ram_mib(self, asked: int) -> int:
        """What QEMU gives it where a scenario asks for so much: see kernels.Base."""
        return bases()[self.spec.base].ram_mib(asked)

    def module(self, name: str) -> Path:
        """The file of the module that the guest loads under this name: ours where we build it, else the kernel's; its image if built in."""
        ours = [path for path in self.modules.all() if path.stem == name]
        return ours[0] if ours else next(self.kernel.modules.rglob(f"{name}.ko"), self.kernel.image)

    def loadable(self, modules: Iterable[str]) -> list[str]:
        """These modules (`NAME[:PARAMETER=VALUE...]`) without those that are built into the kernel.

        Of a bare image nobody knows what is built in, and nothing can be loaded: what is missing shows when its driver does not open.
        Raises InfrastructureError for one that there is neither way.
        """
        if self.kernel.bare:
            return []
        named = {path.stem.replace("-", "_") for place in (self.kernel.modules,) for path in place.rglob("*.ko")}
        named |= {path.stem.replace("-", "_") for path in self.modules.all()}
        built_in = {Path(line).stem.replace("-", "_") for file in self.kernel.modules.rglob("modules.builtin")
                    for line in file.read_text().splitlines()}
        kept = []
        for module in modules:
            name = module.split(":")[0].replace("-", "_")
            if name in named:
                kept.append(module)
            elif name not in built_in:
                raise InfrastructureError(f"kernel {self.spec.base} has no module {name}, and it is not built in")
        return kept

    def carrying(self, tools: Sequence[str]) -> "Guest":
        """The same guest with tools of this host in its image (entries of TOOLS).

        Raises InfrastructureError where one is not installed here.
        """
        if not tools:
            return self
        for tool in tools:
            if not TOOLS[tool].exists():
                raise InfrastructureError(f"{TOOLS[tool]} is missing; install the package {tool} (debian-packages.txt)")

        def build(path: Path) -> None:
            with tempfile.TemporaryDirectory() as scratch:
                install_programs(Path(scratch), ((TOOLS[tool], TOOLS[tool].relative_to("/")) for tool in tools))
                pack(Path(scratch), path / "initramfs.cpio", self.initramfs)

        inputs = {"base": self.initramfs.parent.name, "layout": cache.file_digest(Path(__file__)),
                  **{tool: cache.file_digest(TOOLS[tool]) for tool in tools}}
        return replace(self, initramfs=cache.get("images", inputs, build) / "initramfs.cpio")


def prepare(spec: KernelSpec, kernel: LabKernel, programs: Path, models: Path = LAB / "models") -> Guest:
    """Build, or find in the cache, the modules and the initramfs of a kernel, with these programs (build_programs()).

    `models` names another directory of models (a test runs wrong ones).
    """
    modules = build_modules(kernel, spec, models)

    def build(path: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            install_programs(root, ((program, Path("bin") / program.name) for program in [BUSYBOX, *(programs / p for p in PROGRAMS)]))
            shutil.copy(INIT, root / "init")
            if not kernel.bare:
                _install_modules(root, kernel, modules)
                _install_firmware(root, modules)
            pack(root, path / "initramfs.cpio")

    inputs = {
        "kernel": kernel.path.name,
        "modules": modules.key,
        "programs": programs.name,
        "busybox": cache.file_digest(BUSYBOX),
        "init": cache.file_digest(INIT),
        "layout": cache.file_digest(Path(__file__)),
        "firmware": cache.file_digest(Path(firmware.__file__)),
    }
    return Guest(spec, kernel, modules, cache.get("images", inputs, build) / "initramfs.cpio")


