# SPDX-License-Identifier: MIT
"""Bundles: a run directory as one file (tar, zstd) fit for a bug report, and a run directory again from such a file.

The same run directory gives the same bytes: names in order, no times, no owners. Nothing in it names a person or a machine (scrub.py).
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import zstandard
from drmsqueeze_results import outcomes
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.model import Outcome, Run

from drmsqueeze.errors import UsageError
from drmsqueeze.scrub import Scrubber

SUFFIX = ".tar.zst"
LEVEL = 19  # of zstd; a run directory is a few hundred KiB, so it costs nothing
README = "README.md"
# Made anew by `drmsqueeze report`, and larger than all the rest.
LEFT_OUT = frozenset({"report.html", "summary.md", "results.ktap", README})
# Of one file, and of all that is taken out of a bundle: more than any run has, and less than fills a disk.
LARGEST_FILE = 64 << 20
LARGEST_BUNDLE = 512 << 20
MOST_FILES = 10_000


@dataclass(frozen=True)
class Bundle:
    """What was packed: `left_out` are files with the reason, `changes_scenario` whether scrubbing changed what is executed."""

    file: Path
    files: int
    left_out: tuple[str, ...]
    changes_scenario: bool
    judged_alike: bool


def check_run(directory: Path) -> Run:
    """The run in a directory as today's code judges it. Raises UsageError where the directory holds none."""
    for name in ("facts.json", "scenario.json"):
        if not (directory / name).is_file():
            below = sorted(str(path.parent) for path in directory.rglob("facts.json"))[:3] if directory.is_dir() else []
            hint = f"; runs lie below it, such as {', '.join(below)}" if below else ""
            raise UsageError(f"{directory} is no run directory: it has no {name}{hint}")
    try:
        return outcomes.consider(directory).run
    except BadRunDirectory as error:
        raise UsageError(f"{directory} is no run directory: {error}") from None


def _fates(run: Run) -> str:
    return ", ".join(f"{run.jobs.of(fate)} {fate.value}" for fate in Outcome if run.jobs.of(fate)) or "none"


def _readme(run: Run, files: list[str], left_out: list[str]) -> str:
    """For a person who gets the file and does not know the program."""
    kernel, driver = run.environment.kernel, run.environment.driver
    lines = [
        f"# {run.scenario.name}: {run.verdict.status.value}", "",
        "One run of drmsqueeze, a memory-pressure stress test for Linux GPU (DRM) drivers.", "",
        f"- jobs: {run.jobs.submitted} submitted; {_fates(run)}",
        *(f"- {reason}" for reason in run.verdict.reasons),
        f"- first witness: {run.witnesses[0].kind}" if run.witnesses else "- no sign of a hang was seen",
        f"- kernel: {kernel.release}, `{kernel.variant}`, sha256 of its config {kernel.config_sha256}",
        f"- driver: {driver.name}, sha256 of its module {driver.module_sha256}, GPU model {driver.model or 'none (a real GPU)'}",
        f"- machine: {run.environment.machine}, {run.environment.accelerator}, {run.environment.ram_kib} KiB of memory, "
        f"time scale {run.environment.time_scale}",
        f"- seed {run.scenario.seed}, level {run.level:g}", "",
        "Run it again, judged beside what was recorded: `drmsqueeze replay THIS_FILE.tar.zst`.",
        "The scenario alone: `drmsqueeze run scenario.json`.",
        "Names of hosts and users and paths of the host were taken out.", "", "## Findings", ""]
    lines += [f"- {found.signature} ({found.count} times{', expected' if found.expected else ''})" for found in run.findings] or ["none"]
    lines += ["", "## Files", "", *(f"- {name}" for name in files), *(f"- left out: {name}" for name in left_out)]
    return "\n".join(lines) + "\n"


def _files_of(directory: Path) -> Iterator[Path]:
    """What belongs to a run, in a fixed order; no links, which could lead anywhere."""
    for path in sorted(directory.rglob("*"), key=lambda path: path.relative_to(directory).parts):
        if path.is_file() and not path.is_symlink() and path.name not in LEFT_OUT and not path.name.startswith("."):
            yield path


def _scrub_tree(directory: Path, into: Path, scrubber: Scrubber) -> tuple[list[str], list[str]]:
    """Copies a run directory scrubbed; returns the names of what was copied, and what was left out and why."""
    copied, left_out = [], []
    for path in _files_of(directory):
        name = path.relative_to(directory).as_posix()
        shown = scrubber.text(name)
        if path.stat().st_size > LARGEST_FILE:
            left_out.append(f"{shown}: larger than {LARGEST_FILE >> 20} MiB")
            continue
        content = scrubber.file(name, path.read_bytes())
        if content is None:
            left_out.append(f"{shown}: no text, and it names the machine or its user")
            continue
        (into / shown).parent.mkdir(parents=True, exist_ok=True)
        (into / shown).write_bytes(content)
        copied.append(shown)
    return copied, left_out


def _pack(directory: Path, top: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(f"{top}/{path.relative_to(directory).as_posix()}")
            member.size, member.mode = path.stat().st_size, 0o644  # mtime, owner and group are 0 and nameless
            with path.open("rb") as content:
                archive.addfile(member, content)
    return zstandard.ZstdCompressor(level=LEVEL).compress(packed.getvalue())


def _what_counts(run: Run) -> tuple[object, ...]:
    return run.verdict.status, run.jobs, [found.signature for found in run.findings], [witness.kind for witness in run.witnesses]


def make(directory: Path, file: Path | None = None, scrubber: Scrubber | None = None) -> Bundle:
    """Pack a run directory into `file` (default: SCENARIO-NNNN.tar.zst here), which must not exist yet.

    Raises UsageError where `directory` holds no run.
    """
    run = check_run(directory)
    scrubber = scrubber or Scrubber.of_this_machine()
    name = f"{scrubber.text(run.scenario.name)}-{run.index:04d}"
    file = file or Path(name + SUFFIX)
    if file.exists():
        raise UsageError(f"{file} exists; it is not written over")
    with tempfile.TemporaryDirectory(prefix="drmsqueeze-bundle-") as scratch:
        tree = Path(scratch)
        files, left_out = _scrub_tree(directory, tree, scrubber)
        if "run.json" not in files:
            outcomes.judge(tree)
            files.append("run.json")
        scrubbed = check_run(tree)
        (tree / README).write_text(_readme(scrubbed, sorted(files), left_out))
        changed = json.loads((tree / "scenario.json").read_text()) != json.loads((directory / "scenario.json").read_text())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_pack(tree, name))
    return Bundle(file, len(files) + 1, tuple(left_out), changed, _what_counts(scrubbed) == _what_counts(run))


def _safe(name: str) -> PurePosixPath:
    """A member's place below the directory that it is unpacked into. Raises UsageError for one that leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise UsageError(f"the bundle holds a file {name!r}, which leads out of its directory; nobody's `drmsqueeze bundle` made it")
    return path


class _Limited:
    """What is read of a bundle, and no more than any holds: headers may be as long as they like, and are read whole."""

    def __init__(self, plain: Any, most: int) -> None:
        self._plain, self._left = plain, most

    def read(self, size: int) -> bytes:
        data: bytes = self._plain.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UsageError("the bundle holds more or larger files than a run has")
        return data


def unpack(file: Path, into: Path) -> Path:
    """Unpack a bundle below `into`; returns the run directory. Raises UsageError for a file that is no sound bundle.

    Files only are written, new ones only, and never through a link: tarfile's own filter `data` does the same, but the Python of
    Debian 12 does not have it.
    """
    try:
        left = LARGEST_BUNDLE
        with file.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as plain, \
                tarfile.open(fileobj=cast(IO[bytes], _Limited(plain, LARGEST_BUNDLE)), mode="r|") as archive:
            for count, member in enumerate(archive, 1):
                if count > MOST_FILES:
                    raise UsageError(f"{file}: more files than a run has")
                path = into / _safe(member.name)
                if member.isdir():
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UsageError(f"{file}: {member.name} is no plain file; nobody's `drmsqueeze bundle` made it")
                left -= member.size
                if left < 0 or member.size > LARGEST_FILE:
                    raise UsageError(f"{file}: more or larger files than a run has")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as out:
                    out.write(content.read())
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        raise UsageError(f"{file}: cannot be unpacked as a bundle (tar, zstd): {error}") from None
    runs = sorted(path.parent for path in into.rglob("facts.json"))
    if len(runs) != 1:
        raise UsageError(f"{file}: holds {len(runs)} runs, not one")
    check_run(runs[0])
    return runs[0]
