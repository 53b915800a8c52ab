# SPDX-License-Identifier: MIT
"""Lockdep's reports as data: what is read from recorded consoles, and what is made of them in words."""


from collections.abc import Callable
from pathlib import Path

import pytest
from comparisons import make
from golden_data import DATA, edit

from drmsqueeze_results import lockdep, lockdep_views
from drmsqueeze_results.comparison import compare, load_comparison
from drmsqueeze_results.documents import to_plain
from drmsqueeze_results.kernel_log import Line, read_lines
from drmsqueeze_results.model import LockCycle, LockEdge
from drmsqueeze_results.outcomes import judge
from drmsqueeze_results.report import write_report

ALLOCATES = ("Memory reclaim may wait for a GPU fence (shrinkers, MMU notifiers), and the signalling path allocates with reclaim: "
             "panfrost_mmu_map_fault_addr.")
RESERVES = ("Whoever holds a reservation lock (dma_resv) may allocate and may wait for GPU fences, and the signalling path takes such a "
            "lock: panfrost_mmu_map_fault_addr.")
# What dma_resv_lockdep() (drivers/dma-buf/dma-resv.c) teaches lockdep at boot, and where fs_reclaim_acquire() came first.
TAUGHT = [("mmu_notifier_invalidate_range_start", "fs_reclaim", "mem_cgroup_css_alloc"),
          ("dma_fence_map", "mmu_notifier_invalidate_range_start", "dma_resv_lockdep")]


def recorded(name: str) -> list[Line]:
    return read_lines((DATA / "lockdep" / f"{name}.log").read_text())


def steps(cycle: LockCycle) -> list[tuple[str, str | None, str | None]]:
    return [(edge.lock, edge.under, edge.function) for edge in cycle.edges]


def test_an_allocation_in_the_signalling_path() -> None:
    [cycle] = lockdep.cycles(recorded("allocates-in-fault-handler"))
    assert (cycle.kind, cycle.task, cycle.explanation) == ("circular", "irq/25-panfrost/62", ALLOCATES)
    assert steps(cycle) == [("fs_reclaim", "dma_fence_map", "panfrost_mmu_map_fault_addr"), *TAUGHT]
    assert cycle.edges[0].frames[-1] == "ret_from_fork_asm"


def test_a_reservation_lock_in_the_signalling_path() -> None:
    [cycle] = lockdep.cycles(recorded("takes-resv-in-fault-handler"))
    assert (cycle.kind, cycle.explanation) == ("circular", RESERVES)
    assert steps(cycle) == [("reservation_ww_class_mutex", "dma_fence_map", "panfrost_mmu_map_fault_addr"),
                            ("fs_reclaim", "reservation_ww_class_mutex", "dma_resv_lockdep"), *TAUGHT]


def test_a_shrinker_that_takes_a_lock_under_which_others_allocate() -> None:
    [cycle] = lockdep.cycles(recorded("shrinker-takes-lock"))
    assert steps(cycle) == [("trap_lock", "fs_reclaim", "trap_scan"), ("fs_reclaim", "trap_lock", "trap_allocate_under_lock")]
    assert cycle.explanation == ("Memory is allocated with reclaim while trap_lock is held, in trap_allocate_under_lock, and memory reclaim "
                                 "(a shrinker) takes that lock: trap_scan.")


def test_two_locks_in_both_orders() -> None:
    [cycle] = lockdep.cycles(recorded("ab-ba"))
    assert steps(cycle) == [("trap_lock_a", "trap_lock_b", "trap_take_b_then_a"), ("trap_lock_b", "trap_lock_a", "trap_take_a_then_b")]
    assert cycle.explanation and cycle.explanation.startswith(
        "Two locks are taken in both orders (AB-BA): trap_lock_a under trap_lock_b in trap_take_b_then_a, ")


def test_every_recorded_console_is_explained() -> None:
    for path in (DATA / "lockdep").glob("*.log"):
        found = lockdep.cycles(read_lines(path.read_text()))
        assert found and all(cycle.explanation for cycle in found), path.name


RECURSIVE = """
============================================
WARNING: possible recursive locking detected
6.12.117 #1 Not tainted
--------------------------------------------
cat/71 is trying to acquire lock:
ffff888003a0b1a8 (&bo->lock){+.+.}-{3:3}, at: foo_inner+0x2c/0x80 [foo]

but task is already holding lock:
ffff888003a0b0a8 (&bo->lock){+.+.}-{3:3}, at: foo_outer+0x21/0x80 [foo]

other info that might help us debug this:

stack backtrace:
CPU: 0 UID: 0 PID: 71 Comm: cat Not tainted 6.12.117 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x6f/0xa0
 __lock_acquire+0x312d/0x6960
 lock_acquire+0x1b8/0x4f0
 __mutex_lock+0x99/0x9f0
 foo_inner+0x2c/0x80 [foo]
 foo_outer+0x33/0x80 [foo]
 </TASK>
"""

INCONSISTENT = """
================================
WARNING: inconsistent lock state
6.12.117 #1 Not tainted
--------------------------------
inconsistent {IN-HARDIRQ-W} -> {HARDIRQ-ON-W} usage.
kworker/0:1/9 [HC0[0]:SC0[0]:HE1:SE1] takes:
ffff888003a0b1a8 (&js->lock){?.+.}-{2:2}, at: foo_work+0x2c/0x80 [foo]
{IN-HARDIRQ-W} state was registered at:
  lock_acquire+0x1b8/0x4f0
  _raw_spin_lock+0x33/0x40
  foo_irq+0x19/0x40 [foo]
  __handle_irq_event_percpu+0x4f/0x1b0
irq event stamp: 3141
"""


@pytest.mark.parametrize(("text", "kind", "wanted"), [
    (RECURSIVE, "recursive", [("&bo->lock", "&bo->lock", "foo_inner"), ("&bo->lock", None, "foo_outer")]),
    (INCONSISTENT, "inconsistent-state", [("&js->lock", None, "foo_work"), ("&js->lock", None, "foo_irq")]),
])
def test_other_kinds(text: str, kind: str, wanted: list[tuple[str, str | None, str | None]]) -> None:
    [cycle] = lockdep.cycles(read_lines(text))
    assert cycle.kind == kind
    assert steps(cycle) == wanted
    assert cycle.explanation


def test_a_cycle_that_we_do_not_know_is_shown_unexplained() -> None:
    edges = tuple(LockEdge(name, under, "f", ()) for name, under in (("a", "c"), ("b", "a"), ("c", "b")))
    assert lockdep.explain(lockdep.CIRCULAR, edges) is None
    assert lockdep.explain(lockdep.CIRCULAR, ()) is None


@pytest.mark.parametrize(("environment", "checked"), [({}, None), ({"debug_locks": None}, False), ({"debug_locks": 0}, False),
                                                      ({"debug_locks": 1}, True)])
def test_a_silent_kernel_was_checked_only_where_lockdep_looked_on(environment: dict[str, int | None], checked: bool | None) -> None:
    said = lockdep.verdict(read_lines("[    1.000000] nothing of note\n"), environment)
    assert (said.checked, said.stopped_s, said.cycles) == (checked, None, ())


@pytest.mark.parametrize("environment", [{}, {"debug_locks": 0}])
def test_a_report_shows_that_it_looked_on_until_then(environment: dict[str, int | None]) -> None:
    said = lockdep.verdict(recorded("allocates-in-fault-handler"), environment)
    assert (said.checked, said.stopped_s) == (True, said.cycles[0].first_s)


@pytest.mark.parametrize(("expect", "status"), [({"lockdep": [1, 1]}, "pass"), ({"lockdep": [0, 0]}, "fail"), ({}, "fail"), (None, "fail")])
def test_a_report_that_was_expected_is_a_pass(golden: Callable[[str], Path], expect: dict[str, list[int]] | None, status: str) -> None:
    directory = golden("completed")
    (directory / "console.log").write_text((DATA / "lockdep" / "allocates-in-fault-handler.log").read_text())
    edit(directory / "facts.json", expect=expect)
    run = judge(directory)
    assert run.status.value == status, run.verdict
    assert run.lockdep and run.lockdep.checked and [cycle.explanation for cycle in run.lockdep.cycles] == [ALLOCATES]


HELD = """[   40.100000] sysrq: Show Locks Held
[   40.100100]
[   40.100100] Showing all locks held in the system:
[   40.100200] 1 lock held by khungtaskd/29:
[   40.100300]  #0: ffffffff8307a120 (rcu_read_lock){....}-{1:3}, at: debug_show_all_locks+0x49/0x190
[   40.100400] 2 locks held by irq/25-panfrost/62:
[   40.100500]  #0: ff110000064721a0 (reservation_ww_class_mutex){+.+.}-{3:3}, at: panfrost_mmu_map_fault_addr+0x2d9/0xbb0 [panfrost]
[   40.100600]  #1: ffffffff8307b8c0 (fs_reclaim){+.+.}-{0:0}, at: __alloc_pages_noprof+0x10/0x2c0
[   40.100700]
[   40.100700] =============================================
[   40.100800]
[   40.100900]  #0: ff11000006472000 (not_any_more){+.+.}-{3:3}, at: elsewhere+0x1/0x2
"""


def test_locks_held() -> None:
    first, second = lockdep.held_locks(read_lines(HELD))
    assert (first.name, first.pid, [lock.name for lock in first.locks]) == ("khungtaskd", 29, ["rcu_read_lock"])
    assert (second.name, second.pid) == ("irq/25-panfrost", 62)
    assert [(lock.name, lock.function, lock.address) for lock in second.locks] == [
        ("reservation_ww_class_mutex", "panfrost_mmu_map_fault_addr", "ff110000064721a0"),
        ("fs_reclaim", "__alloc_pages_noprof", "ffffffff8307b8c0")]


@pytest.mark.parametrize("text", ["", "[   40.100000] sysrq: HELP : loglevel(0-9) reboot(b)\n", "[   40.100000] INFO: lockdep is turned off.\n"])
def test_a_kernel_that_shows_no_locks(text: str) -> None:
    assert lockdep.held_locks(read_lines(text)) == ()


def test_a_comparison_shows_the_verdict_of_each_arm(tmp_path: Path) -> None:
    found = to_plain(lockdep.verdict(recorded("allocates-in-fault-handler"), {"debug_locks": 1}))
    clean = {"checked": True, "stopped_s": None, "cycles": []}
    make(tmp_path, {1.0: {"a": [{"completed": 2, "lockdep": found}] * 2, "b": [{"completed": 2, "lockdep": clean}] * 2,
                          "c": [{"completed": 2, "lockdep": {"checked": False, "stopped_s": None, "cycles": []}}] * 2}},
         {"a": "lab-debug+panfrost-annotated", "b": "lab-debug+panfrost-annotated+panfrost-nowait", "c": "lab"})
    result = compare(tmp_path)
    assert load_comparison(tmp_path) == result
    assert [(arm.runs, arm.checked, [one.runs for one in arm.found]) for arm in result.lockdep.values()] == [
        (2, 2, [2]), (2, 2, []), (2, 0, [])]
    assert [view.sentence for view in lockdep_views.of_comparison(result)] == [
        "checked in 2 of 2 runs: reported in 2", "checked in 2 of 2 runs: nothing reported", lockdep_views.NOT_CHECKED]
    write_report(tmp_path)
    for name in ("report.html", "summary.md"):
        text = (tmp_path / name).read_text()
        assert ALLOCATES in text and "nothing reported" in text and "not checked" in text, name
    assert ALLOCATES in lockdep_views.sentence(lockdep_views.of_comparison(result))


def test_a_comparison_of_kernels_without_lockdep_does_not_talk_of_it(tmp_path: Path) -> None:
    make(tmp_path, {1.0: {"a": [{"completed": 2}], "b": [{"completed": 2}]}})
    compare(tmp_path)
    write_report(tmp_path)
    assert "lockdep" not in (tmp_path / "report.html").read_text()
