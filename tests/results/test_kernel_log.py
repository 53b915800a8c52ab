# SPDX-License-Identifier: MIT
"""The rules for kernel messages: each has a log in which it must be found and one in which nothing may be.

A positive log begins with the expected signatures, a blank line, then the log as it came.
"""

from pathlib import Path

import pytest

from golden_data import DATA
from drmsqueeze_results import findings
from drmsqueeze_results.kernel_log import blocked_tasks, naming_frame, normalise, read_lines, scan
from drmsqueeze_results.kernel_rules import RULES

LOGS = DATA / "kernel_logs"
POSITIVE = sorted(path for path in LOGS.glob("*.log") if not path.name.endswith(".benign.log"))


def _split(path: Path) -> tuple[list[str], str]:
    head, _, log = path.read_text().partition("\n\n")
    return head.split("\n"), log


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_signatures(path: Path) -> None:
    expected, log = _split(path)
    matches = scan(read_lines(log))
    assert path.stem in {m.rule.name for m in matches}
    own = [m for m in matches if m.rule.name == path.stem]
    assert [m.signature for m in own] == expected
    assert all(m.t_s is not None for m in own)
    assert {m.kind for m in matches} <= findings.KINDS


@pytest.mark.parametrize("path", sorted(LOGS.glob("*.benign.log")), ids=lambda path: path.stem)
def test_benign(path: Path) -> None:
    assert [m.signature for m in scan(read_lines(path.read_text()))] == []


def test_every_rule_has_both_logs() -> None:
    names = {rule.name for rule in RULES}
    assert {path.stem for path in POSITIVE} == names
    assert names <= {path.name.removesuffix(".benign.log") for path in LOGS.glob("*.benign.log")}


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_no_rule_is_idle(path: Path) -> None:
    """Negative control: with its rule taken out, the log no longer gives its signatures."""
    expected, log = _split(path)
    without = [rule for rule in RULES if rule.name != path.stem]
    assert [m.signature for m in scan(read_lines(log), without) if m.rule.kind == path.stem] != expected


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_reparsing(path: Path) -> None:
    """From the start of a report it is found again; behind the last one it is not; other stamps change no signature."""
    _, log = _split(path)
    lines = read_lines(log)
    matches = scan(lines)
    start = next(i for i, line in enumerate(lines) if line.text == matches[0].excerpt.split("\n")[0])
    assert scan(lines[start:])[0].signature == matches[0].signature
    last = max(i for i, line in enumerate(lines) if any(line.text == m.excerpt.split("\n")[0] for m in matches))
    assert scan(lines[last + 1:]) == []
    other = "\n".join(f"<4>[ 1234.5{i:05d}][  T71] {line.text}\r" for i, line in enumerate(lines))
    assert [m.signature for m in scan(read_lines(other))] == [m.signature for m in matches]


def test_same_bug_on_two_machines_has_the_same_signature() -> None:
    one = normalise("kworker/u4:2 at ffff888004a3c2d8 in f.constprop.0 0x1f")
    assert one == normalise("kworker/u16:13 at ffff9a8012345678 in f.constprop.3 0xabc")
    assert one != normalise("kworker/u4:2 at ffff888004a3c2d8 in g.constprop.0 0x1f")


@pytest.mark.parametrize(("text", "place"), [
    ("/home/you/.cache/drmsqueeze/modules/eb493b05a4763f0e/panfrost/panfrost_mmu.c:339 f", "panfrost/panfrost_mmu.c:N f"),
    ("/var/lib/dkms/1.0/panfrost/panfrost_mmu.c:339 f", "panfrost/panfrost_mmu.c:N f"),
    ("/build/linux-6.12/drivers/gpu/drm/panfrost/panfrost_mmu.c:339 f", "drivers/gpu/drm/panfrost/panfrost_mmu.c:N f"),
    ("/build/linux-6.12/mm/page_alloc.c:12 f", "mm/page_alloc.c:N f"),
    ("drivers/iommu/io-pgtable-arm.c:660 f", "drivers/iommu/io-pgtable-arm.c:N f"),
    ("process /bin/busybox of /dev/dri/renderD", "process /bin/busybox of /dev/dri/renderD"),
])
def test_where_a_file_was_built_is_not_in_the_signature(text: str, place: str) -> None:
    assert normalise(text) == place


def test_a_warning_of_a_module_has_the_same_signature_wherever_it_was_built() -> None:
    line = "[   12.5] WARNING: CPU: 0 PID: 69 at {}/panfrost/panfrost_mmu.c:339 panfrost_mmu_map+0x7a/0x80 [panfrost]"
    signatures = {scan(read_lines(line.format(place)))[0].signature for place in
                  ("/home/you/.cache/drmsqueeze/modules/eb493b05a4763f0e", "/home/me/.cache/drmsqueeze/modules/36330c6ab8ff25ba")}
    assert signatures == {"warn: panfrost/panfrost_mmu.c:N panfrost_mmu_map"}


def test_naming_frame_skips_what_every_task_does() -> None:
    assert naming_frame(["__schedule", "schedule", "mutex_lock", "panfrost_reset", "worker_thread"]) == "panfrost_reset"
    assert naming_frame(["__schedule", "schedule"]) is None


def test_blocked_tasks_of_another_state_are_left_out() -> None:
    log = ("[    1.0] task:sleeper         state:S stack:0     pid:5     tgid:5     ppid:2      flags:0x00004000\n"
           "[    1.1]  schedule+0x22/0xa0\n"
           "[    1.2] task:kworker/0:1     state:D stack:    0 pid:   12 ppid:     2 flags:0x00004000\n"
           "[    1.3]  f+0x22/0xa0\n[    1.4]  </TASK>\n[    1.5]  g+0x22/0xa0\n")
    tasks = blocked_tasks(read_lines(log))
    assert [(t.name, t.pid, t.frames, t.from_sysrq) for t in tasks] == [("kworker/0:1", 12, ("f",), False)]
