# SPDX-License-Identifier: MIT
"""Bundles: scrubbed, the same bytes from the same run, judged as the run they are of, and safe to unpack."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
import zstandard
from drmsqueeze_results import outcomes
from drmsqueeze_results.kernel_log import normalise

from drmsqueeze import TOP, bundle, scrub
from drmsqueeze.errors import UsageError
from drmsqueeze.scrub import Scrubber

HOME = "/root"  # of the super-user
GOLDEN = TOP / "tests/data/runs"
ALICE = Scrubber(("build-box-17.example.org", "build-box-17"), ("alice",), ("/data/alice/drmsqueeze", "/home/alice", "/home/alice/.cache/drmsqueeze"))
# Lines as consoles, agents and QEMU write them, and what may be left of them.
LINES = {
    "WARNING: CPU: 0 PID: 96 at /home/alice/.cache/drmsqueeze/modules/ab12/panfrost/panfrost_mmu.c:339 panfrost_mmu_map+0x1/0x2 [panfrost]":
        "WARNING: CPU: 0 PID: 96 at /scrubbed/panfrost/panfrost_mmu.c:339 panfrost_mmu_map+0x1/0x2 [panfrost]",
    "WARNING: CPU: 0 PID: 9 at /mnt/disk/linux/drivers/gpu/drm/lima/lima_gem.c:12 lima+0x1/0x2": "WARNING: CPU: 0 PID: 9 at /scrubbed/drivers/gpu/drm/lima/lima_gem.c:12 lima+0x1/0x2",
    "Linux version 6.12.117 (alice@build-box-17) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP": "Linux version 6.12.117 (user@host) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP",
    "QEMU said: mem-path=/tmp/drmsqueeze-ring-x1/ring: no such file": "QEMU said: mem-path=/scrubbed: no such file",
    "make ended with status 2; the end of /data/alice/drmsqueeze/build.log:": "make ended with status 2; the end of /scrubbed:",
    "-I/data/alice/drmsqueeze/agent": "-I/scrubbed",
    "ssh: alice on BUILD-BOX-17 (/home/bob, /Users/carol/x/y)": "ssh: user on host (/scrubbed, /scrubbed)",
    "hostname: bobs-laptop": "hostname: scrubbed",
}
# What only looks like it, and what a bug is recognised by.
KEPT = (
    "read of /sys/kernel/debug/dri/0/gem blocked; /proc/sys/vm/drop_caches, /dev/dri/renderD128, /lib/modules/6.12.117/x.ko",
    " panfrost_mmu_map_fault_addr+0x1a/0x300 [panfrost]", "kworker/u4:1+events/a", "task:irq/25-panfrost state:D stack:0 pid:96 /0x20",
    "oom_memcg=/drmsqueeze-clients/1,task_memcg=/drmsqueeze-clients/1", "gpu@fde60000/opp", "root cgroup; vm machine", "a/b/c and 1/2/3",
    "malice is no user", f"/proc/1{HOME}/etc/x /sys/fs/cgroup/home/y",
)


@pytest.mark.parametrize(("line", "left"), LINES.items())
def test_names_and_paths_of_the_host_go(line: str, left: str) -> None:
    assert ALICE.text(line) == left
    assert ALICE.text(left) == left, "scrubbing twice is scrubbing once"


@pytest.mark.parametrize("line", KEPT)
def test_what_a_bug_is_recognised_by_stays(line: str) -> None:
    assert ALICE.text(line) == line


@pytest.mark.parametrize("line", [line for line in LINES if "WARNING" in line])
def test_the_signature_is_the_same_before_and_after(line: str) -> None:
    assert normalise(ALICE.text(line)) == normalise(line)


def test_names_that_are_words_of_the_formats_stay() -> None:
    named = Scrubber(("vm",), ("root",), (HOME,))
    assert named.text(f'{{"kind": "vm"}} root@ {HOME}/x/y vm') == '{"kind": "vm"} root@ /scrubbed vm'
    assert "alice" not in scrub.vocabulary() and "panfrost" in scrub.vocabulary()


def test_files_that_are_no_text_are_kept_only_where_they_name_nobody() -> None:
    assert ALICE.file("core", b"\x00\xff\x00\x01") == b"\x00\xff\x00\x01"
    assert ALICE.file("core", b"\x00\xff by alice \x00") is None
    assert ALICE.file("console.log", b"\xff torn by alice\n") == b"\xff torn by user\n"
    assert ALICE.file("half.json", b'{"by": "alice') == b'{"by": "user'
    assert ALICE.file("half.json", b'{"excerpt": "f\\n/home/bob/x/y.txt') == b'{"excerpt": "f\\n/scrubbed'
    assert ALICE.file("console.log", b"\0\0 by alice\n") == b"\0\0 by user\n", "a console is kept, zeros or not"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A hang whose files name Alice and her machine."""
    directory = tmp_path / "run"
    shutil.copytree(GOLDEN / "hung-silent-sysrq", directory)
    outcomes.judge(directory)
    with (directory / "console.log").open("a") as console:
        console.write("[   99.000000] WARNING: CPU: 0 PID: 9 at /home/alice/.cache/drmsqueeze/modules/1/panfrost/panfrost_mmu.c:339 f+0x1/0x2\n")
        console.write("on build-box-17 by alice in /data/alice/drmsqueeze/build\n")
    (directory / "evidence").mkdir(exist_ok=True)
    (directory / "evidence/binary").write_bytes(b"\0alice\0")
    (directory / "report.html").write_text("large")
    if not (directory / "scenario.json").exists():
        pytest.fail("the golden run has no scenario")
    return directory


def contents(file: Path) -> dict[str, bytes]:
    plain = zstandard.ZstdDecompressor().stream_reader(file.open("rb")).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = archive.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
        return {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def test_a_bundle_names_nobody_and_is_judged_as_the_run(run: Path, tmp_path: Path) -> None:
    made = bundle.make(run, tmp_path / "x.tar.zst", ALICE)
    files = contents(made.file)
    for name, content in files.items():
        for word in (b"alice", b"build-box", b"/data", b"/home"):
            assert word not in content, (name, word)
    names = {name.split("/", 1)[1] for name in files}
    assert {"README.md", "scenario.json", "facts.json", "run.json", "console.log", "environment.json"} <= names
    assert "report.html" not in names
    assert made.left_out == ("evidence/binary: no text, and it names the machine or its user",)
    assert made.judged_alike and not made.changes_scenario
    back = bundle.unpack(made.file, tmp_path / "back")
    was, came = outcomes.consider(run).run, outcomes.consider(back).run
    assert (came.jobs, came.verdict, came.witnesses) == (was.jobs, was.verdict, was.witnesses)
    assert [f.signature for f in came.findings] == [f.signature for f in was.findings]
    readme = (back / "README.md").read_text()
    assert "drmsqueeze replay" in readme and "1 hung" in readme


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    def digest(directory: Path, name: str) -> str:
        return hashlib.sha256(bundle.make(directory, tmp_path / name, ALICE).file.read_bytes()).hexdigest()
    first = digest(run, "1.tar.zst")
    for path in run.rglob("*"):
        path.touch()
    again = tmp_path / "elsewhere/under/another name"
    shutil.copytree(run, again)
    assert first == digest(run, "2.tar.zst") == digest(again, "3.tar.zst")
    (run / "console.log").write_text("other\n")
    assert first != digest(run, "4.tar.zst"), "the control: other input, other bytes"


def test_a_bundle_of_a_bundle_is_the_same_bundle(run: Path, tmp_path: Path) -> None:
    (run / "evidence/binary").unlink()
    first = bundle.make(run, tmp_path / "1.tar.zst", ALICE).file
    second = bundle.make(bundle.unpack(first, tmp_path / "back"), tmp_path / "2.tar.zst", ALICE).file
    assert contents(first) == contents(second)


def test_a_scenario_that_names_the_host_is_told(run: Path, tmp_path: Path) -> None:
    document = json.loads((run / "scenario.json").read_text()) | {"description": "from /home/alice/x/y"}
    (run / "scenario.json").write_text(json.dumps(document))
    assert bundle.make(run, tmp_path / "x.tar.zst", ALICE).changes_scenario


@pytest.mark.parametrize("missing", ["facts.json", "scenario.json", None])
def test_a_directory_that_is_no_run_is_refused(run: Path, tmp_path: Path, missing: str | None) -> None:
    if missing:
        (run / missing).unlink()
    else:
        (run / "facts.json").write_text('{"schema": "other"}')
    with pytest.raises(UsageError, match="is no run directory"):
        bundle.make(run, tmp_path / "x.tar.zst", ALICE)
    assert not (tmp_path / "x.tar.zst").exists()


def test_the_runs_below_a_directory_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"such as {run}"):
        bundle.make(tmp_path, tmp_path / "x.tar.zst", ALICE)


def test_nothing_is_written_over(run: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tar.zst").write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        bundle.make(run, tmp_path / "x.tar.zst", ALICE)


def hostile(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(zstandard.ZstdCompressor().compress(packed.getvalue()))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize("evil", [
    [(member("../escaped"), b"x")], [(member("/tmp/escaped"), b"x")], [(member("a/../../escaped"), b"x")],
    [(member("a", tarfile.SYMTYPE, ".."), b""), (member("a/escaped"), b"x")], [(member("a", tarfile.LNKTYPE, "/etc/passwd"), b"")],
    [(member("a", tarfile.CHRTYPE), b"")], [(member("a"), b"x"), (member("a"), b"y")],
], ids=["dots", "absolute", "dots-inside", "symlink", "hard-link", "device", "twice"])
def test_unpacking_stays_in_its_directory(tmp_path: Path, evil: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    file = hostile(tmp_path / "evil.tar.zst", *evil)
    inside = tmp_path / "deep/inside"
    with pytest.raises(UsageError):
        bundle.unpack(file, inside)
    assert not list(tmp_path.rglob("escaped")) and not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_what_is_no_bundle_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a letter")
    with pytest.raises(UsageError, match="cannot be unpacked"):
        bundle.unpack(tmp_path / "x", tmp_path / "out")
    with pytest.raises(UsageError, match="holds 0 runs"):
        bundle.unpack(hostile(tmp_path / "y", (member("a/b"), b"x")), tmp_path / "out2")


def test_a_header_that_fills_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tarfile reads the headers of a name whole."""
    monkeypatch.setattr(bundle, "LARGEST_BUNDLE", 1 << 20)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("x/facts.json"))
        member = tarfile.TarInfo("x/y")
        member.pax_headers = {"comment": "a" * (4 << 20)}
        archive.addfile(member)
    (tmp_path / "b.tar.zst").write_bytes(zstandard.compress(packed.getvalue()))
    with pytest.raises(UsageError, match="more or larger"):
        bundle.unpack(tmp_path / "b.tar.zst", tmp_path / "into")


def test_a_bundle_that_fills_disks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST_BUNDLE", 1000)
    with pytest.raises(UsageError, match="more or larger"):
        bundle.unpack(hostile(tmp_path / "y", (member("a"), b"x" * 600), (member("b"), b"x" * 600)), tmp_path / "out")
