# SPDX-License-Identifier: MIT
"""The rules for kernel messages: each has a log in which it must be found and one in which nothing may be.

A positive log begins with the expected signatures, a blank line, then the log as it came. RULE.FORM.log is the same for one form in
which kernels print it: a version, an architecture, a way to keep logs. All forms of a rule show one bug, as two machines would.
"""

from pathlib import Path

import pytest

from golden_data import DATA
from drmsqueeze_results import findings
from drmsqueeze_results.kernel_log import blocked_tasks, naming_frame, normalise, read_lines, scan
from drmsqueeze_results.driver_rules import DRIVER_RULES
from drmsqueeze_results.kernel_rules import RULES

LOGS = DATA / "kernel_logs"
POSITIVE = sorted(path for path in LOGS.glob("*.log") if not path.name.endswith(".benign.log"))
FORMS = sorted({path.name.split(".")[0] for path in POSITIVE if path.name.count(".") > 1})


def _rule(path: Path) -> str:
    return path.name.split(".")[0]


def _split(path: Path) -> tuple[list[str], str]:
    head, _, log = path.read_text().partition("\n\n")
    return head.split("\n"), log


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_signatures(path: Path) -> None:
    expected, log = _split(path)
    matches = scan(read_lines(log))
    assert _rule(path) in {m.rule.name for m in matches}
    own = [m for m in matches if m.rule.name == _rule(path)]
    assert [m.signature for m in own] == expected
    assert {m.kind for m in matches} <= findings.KINDS


@pytest.mark.parametrize("path", sorted(LOGS.glob("*.benign.log")), ids=lambda path: path.stem)
def test_benign(path: Path) -> None:
    assert [m.signature for m in scan(read_lines(path.read_text()))] == []


def test_every_rule_has_both_logs() -> None:
    names = {rule.name for rule in RULES}
    assert {_rule(path) for path in POSITIVE} == names == {path.stem for path in POSITIVE if path.name.count(".") == 1}
    assert names <= {path.name.removesuffix(".benign.log") for path in LOGS.glob("*.benign.log")}


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_no_rule_is_idle(path: Path) -> None:
    """Negative control: with its rule taken out, the log no longer gives its signatures."""
    expected, log = _split(path)
    without = [rule for rule in RULES if rule.name != _rule(path)]
    first = [(m.signature, m.excerpt.split("\n")[0]) for m in scan(read_lines(log)) if m.rule.name == _rule(path)]
    assert [signature for signature, _ in first] == expected
    assert not set(first) & {(m.signature, m.excerpt.split("\n")[0]) for m in scan(read_lines(log), without)}


@pytest.mark.parametrize("name", FORMS)
def test_one_bug_has_one_signature_in_all_forms(name: str) -> None:
    assert len({tuple(_split(path)[0]) for path in LOGS.glob(f"{name}.?*.log") if not path.name.endswith(".benign.log")}) == 1


def test_every_message_of_a_rule_is_taken_by_it_alone() -> None:
    """A line of another rule's positive log is never taken by two rules: the order decides nothing between drivers."""
    drivers = {rule.name for rule in DRIVER_RULES}
    for path in POSITIVE:
        for line in read_lines(_split(path)[1]):
            taken = [rule.name for rule in RULES if rule.name in drivers and rule.pattern.match(line.text)]
            assert len(taken) <= 1, (path.name, line.text, taken)


@pytest.mark.parametrize("path", POSITIVE, ids=lambda path: path.stem)
def test_reparsing(path: Path) -> None:
    """From the start of a report it is found again; behind the last one it is not; other stamps change no signature."""
    _, log = _split(path)
    lines = read_lines(log)
    if not all(line.t_s is not None for line in lines):
        pytest.skip("a form without stamps")
    matches = scan(lines)
    start = next(i for i, line in enumerate(lines) if line.text == matches[0].excerpt.split("\n")[0])
    assert scan(lines[start:])[0].signature == matches[0].signature
    last = max(i for i, line in enumerate(lines) if any(line.text == m.excerpt.split("\n")[0] for m in matches))
    assert scan(lines[last + 1:]) == []
    other = "\n".join(f"<4>[ 1234.5{i:05d}][{line.printer or 'T71':>6}] {line.text}\r" for i, line in enumerate(lines))
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
    assert naming_frame(["dma_fence_wait_timeout", "trace_clock_x86_tsc", "trap_scan"]) == "trap_scan", "a return probe's trampoline"


def test_blocked_tasks_of_another_state_are_left_out() -> None:
    log = ("[    1.0] task:sleeper         state:S stack:0     pid:5     tgid:5     ppid:2      flags:0x00004000\n"
           "[    1.1]  schedule+0x22/0xa0\n"
           "[    1.2] task:kworker/0:1     state:D stack:    0 pid:   12 ppid:     2 flags:0x00004000\n"
           "[    1.3]  f+0x22/0xa0\n[    1.4]  </TASK>\n[    1.5]  g+0x22/0xa0\n")
    tasks = blocked_tasks(read_lines(log))
    assert [(t.name, t.pid, t.frames, t.from_sysrq) for t in tasks] == [("kworker/0:1", 12, ("f",), False)]


def _log(*texts: str) -> str:
    return "\n".join(f"[{12.5 + i / 1000:12.6f}] {text}" for i, text in enumerate(texts))


@pytest.mark.parametrize("header", [
    "task:kworker/u8:3    state:D stack:    0 pid:  120 ppid:     2 flags:0x00004000",  # 5.10
    "task:kworker/u8:3    state:D stack:0     pid:120   ppid:2      flags:0x00000008",  # 6.1
    "task:kworker/u8:3    state:D stack:0     pid:120   tgid:120   ppid:2      flags:0x00004000",  # 6.12
    "task:kworker/u8:3    state:D stack:0     pid:120   tgid:120   ppid:2      task_flags:0x4208060 flags:0x00080000",  # 6.14 and later
])
@pytest.mark.parametrize(("stack", "frames"), [
    (("Call Trace:", " __schedule+0x282/0x870", " ? f+0x1b2/0x3e0", " panfrost_reset+0x5e/0x300 [panfrost]", "random: crng init done",
      " of_another+0x1/0x2"), ("__schedule", "panfrost_reset")),  # x86 of 5.10: no mark at the stack's end
    (("Call Trace:", " <TASK>", " __schedule+0x282/0x870", "random: crng init done", " panfrost_reset+0x5e/0x300 [panfrost]", " </TASK>",
      " of_another+0x1/0x2"), ("__schedule", "panfrost_reset")),
    (("Call trace:", " __switch_to+0xe0/0x130 (T)", " panfrost_reset+0x4c/0x2e0 [panfrost]", "random: crng init done",
    " of_another+0x1/0x2"),
     ("__switch_to", "panfrost_reset")),
    ((" __schedule from schedule+0x58/0xd0", " schedule from panfrost_reset+0x40/0x200 [panfrost]",
    " panfrost_reset [panfrost] from kthread+0x1/0x2",
      "Exception stack(0xf0871fb0 to 0xf0871ff8)"), ("__schedule", "schedule", "panfrost_reset")),  # 32-bit arm
])
def test_blocked_tasks_of_all_kernels(header: str, stack: tuple[str, ...], frames: tuple[str, ...]) -> None:
    (task,) = blocked_tasks(read_lines(_log("sysrq: Show Blocked State", header, "Workqueue: pan_reset panfrost_reset_work [panfrost]",
    *stack)))
    assert (task.name, task.pid, task.from_sysrq, task.frames) == ("kworker/u8:3", 120, True, frames)


def test_a_hung_task_behind_a_sysrq_is_not_of_the_sysrq() -> None:
    header = "task:kworker/u8:3    state:D stack:0     pid:120   tgid:120   ppid:2      flags:0x00004000"
    (task,) = blocked_tasks(read_lines(_log("sysrq: Show Blocked State", "INFO: task kworker/u8:3:120 blocked for more than 10 seconds.",
    header)))
    assert not task.from_sysrq


@pytest.mark.parametrize(("text", "same"), [
    ("kworker/u8:3", "kworker"), ("kworker/0:1H", "kworker"), ("kworker/u8:3+events_unbound", "kworker"), ("kworker/R-drm_sched",
    "kworker/R-drm_sched"),
    ("irq/25-panfrost", "irq/N-panfro"), ("irq/102-panfros", "irq/N-panfro"), ("irq/7-panfrost-m", "irq/N-panfro"), ("f.llvm.1234567", "f"),
])
def test_names_of_tasks_are_one_on_all_machines(text: str, same: str) -> None:
    assert normalise(text) == same


_BUG = "BUG: Bad page state in process kswapd0  pfn:04a3c"


@pytest.mark.parametrize("log", [
    f"[   12.500000] {_BUG}", f"<1>[   12.500000] {_BUG}\r", f"[   12.500000][   T41] {_BUG}", f"<1>[   12.500000][    C0] {_BUG}",
    f"[Sat Nov 21 10:00:00 2026] {_BUG}", f"2026-11-21T10:00:00,123456+00:00 {_BUG}", f"1,412,12500000,-;{_BUG}",
    f"1,412,12500000,-,caller=T41;{_BUG}",
    f"Nov 21 10:00:00 board kernel: {_BUG}", f"Nov 21 10:00:00 board kernel: [   12.500000] {_BUG}",
    f"2026-11-21T10:00:00+00:00 board kernel: {_BUG}",
    f"kern  :alert : [   12.500000] {_BUG}", f"~ # [   12.500000] {_BUG}", f"\x1b[0;1m[   12.500000] {_BUG}",
    f"[   12.499000] random: crng in[   12.500000] {_BUG}",
    f"[2026-11-21 10:00:00] [   12.500000] {_BUG}", _BUG,
])
def test_forms_of_logs(log: str) -> None:
    assert [m.signature for m in scan(read_lines(log))] == ["bug: Bad page state"]


@pytest.mark.parametrize("log", [
    f"Nov 21 10:00:00 board prog[71]: {_BUG}\nNov 21 10:00:00 board kernel: fine", f"[   12.500000] fine\n{_BUG}",
    f"Nov 21 10:00:00 board prog: [   12.500000] {_BUG}",
    f"[   12.500000] fine\nprogram: [12] {_BUG}", f"[   12.500000] init: {_BUG}",
])
def test_what_programs_say_is_not_the_kernels(log: str) -> None:
    """Negative control of the forms."""
    assert scan(read_lines(log)) == []


def test_a_cut_and_a_doubled_line_are_no_findings_and_no_errors() -> None:
    assert scan(read_lines("[   12.50\n[   12.500000] BU\n[[   12.5000000]] BBUUGG::\n[   12.500300]\n\0\0\n[")) == []


def test_two_reports_at_a_time_are_taken_apart() -> None:
    log = ("[   12.500000][   T71] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
           "[   12.500100][   T88] WARNING: CPU: 1 PID: 88 at mm/page_alloc.c:1 g+0x1/0x2\n"
           "[   12.500200][   T88] RIP: 0010:g+0x1/0x2\n[   12.500300][   T71] RIP: 0010:panfrost_job_close+0x2a/0x80 [panfrost]\n")
    assert [m.signature for m in scan(read_lines(log))] == ["oops: NULL pointer dereference: panfrost_job_close",
    "warn: mm/page_alloc.c:N g"]


def test_a_kill_is_counted_once_and_also_where_only_the_choice_is_told() -> None:
    chosen = "oom-kill:constraint=CONSTRAINT_NONE,task=drmsqueeze-hog,pid=77,uid=0"
    killed = "Out of memory: Killed process 77 (drmsqueeze-hog) total-vm:1kB"
    assert [m.kind for m in scan(read_lines(_log(chosen, killed)))] == ["oom-kill-hog"]
    assert [m.kind for m in scan(read_lines(_log(chosen)))] == ["oom-kill-hog"]
    assert [m.kind for m in scan(read_lines(_log(killed, chosen)))] == ["oom-kill-hog"] * 2, "killed again, and the log ends there"
