# SPDX-License-Identifier: MIT
"""What kmemleak found, as findings by who allocated it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from golden_data import edit

from drmsqueeze_results.kmemleak import leaks
from drmsqueeze_results.outcomes import judge

# Recorded with the trap `leak` on lab-debug (6.12.117), cut at its end.
OBJECT = """unreferenced object 0xff11000019576{number:x}00 (size 192):
  comm "kworker/1:1", pid 35, jiffies 4294895509
  hex dump (first 32 bytes):
    cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc  ................
    cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc  ................
  backtrace (crc 4e008db6):
    kmemleak_alloc+0x28/0x30
    __kmalloc_cache_noprof+0x214/0x3c0
    {function}+0x35/0x70 [trap_leak]
    trap_look+0x2e/0x90 [trap_leak]
    process_one_work+0x879/0x19c0
"""
REPORT = "".join(OBJECT.format(number=number, function=function)
                 for number, function in enumerate(["trap_forget_memory", "trap_forget_memory", "panfrost_gem_create"]))


def test_objects() -> None:
    found = list(leaks(REPORT))
    assert [(leak.bytes, leak.comm, leak.allocated_in) for leak in found] == [
        (192, "kworker/1:1", function) for function in ("trap_forget_memory", "trap_forget_memory", "panfrost_gem_create")]


@pytest.mark.parametrize("text", ["", "no unreferenced objects\n", REPORT.splitlines()[0]])
def test_no_objects(text: str) -> None:
    assert not list(leaks(text))


@pytest.mark.parametrize(("expect", "status"), [({"kmemleak": [3, 3]}, "pass"), ({}, "fail"), (None, "fail")])
def test_a_leak_fails_a_run_that_does_not_expect_it(golden: Callable[[str], Path], expect: dict[str, list[int]] | None, status: str) -> None:
    directory = golden("completed")
    (directory / "evidence").mkdir(exist_ok=True)
    (directory / "evidence" / "kmemleak.txt").write_text(REPORT)
    with (directory / "console.log").open("a") as console:
        console.write("[   99.500000] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n")
    edit(directory / "facts.json", expect=expect)
    run = judge(directory)
    assert run.status.value == status, run.verdict
    assert [(finding.signature, finding.count) for finding in run.findings] == [
        ("kmemleak: trap_forget_memory", 2), ("kmemleak: panfrost_gem_create", 1)]


def test_a_number_in_the_log_alone_is_a_finding(golden: Callable[[str], Path]) -> None:
    directory = golden("completed")
    with (directory / "console.log").open("a") as console:
        console.write("[   99.500000] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n")
    assert [finding.kind for finding in judge(directory).findings] == ["kmemleak"]
