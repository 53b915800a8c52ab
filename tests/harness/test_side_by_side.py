# SPDX-License-Identifier: MIT
"""Which runs go side by side, and what becomes of those that raise or are interrupted."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drmsqueeze import side_by_side
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.machines import vm
from drmsqueeze.plan import PlannedRun


def planned(blocks: dict[int, str]) -> list[PlannedRun]:
    """Blocks by number, each with its arms in order."""
    runs = [(block, arm) for block, arms in blocks.items() for arm in arms]
    return [PlannedRun(index, block, 1.0, arm, 1) for index, (block, arm) in enumerate(runs)]


def names(steps: list[list[PlannedRun]]) -> list[list[str]]:
    return [[f"{run.block}{run.arm}" for run in step] for step in steps]


@pytest.mark.parametrize(("at_once", "expected"), [
    (1, [["0a"], ["0b"], ["1b"], ["1a"], ["2a"], ["2b"]]),
    (2, [["0a", "1b"], ["0b", "1a"], ["2a"], ["2b"]]),
    (3, [["0a", "1b", "2a"], ["0b", "1a", "2b"]]),
    (4, [["0a"], ["0b"], ["1b"], ["1a"], ["2a"], ["2b"]]),
])
def test_whole_blocks_go_side_by_side_and_what_is_left_over_goes_alone(at_once: int, expected: list[list[str]]) -> None:
    assert names(side_by_side.steps(planned({0: "ab", 1: "ba", 2: "ab"}), at_once)) == expected


def test_in_a_block_all_have_company_or_none_has() -> None:
    for at_once in range(1, 5):
        for count in range(8):
            runs = planned({block: "abc" if block % 3 else "ab" for block in range(count)})
            steps = side_by_side.steps(runs, at_once)
            assert sorted(run.index for step in steps for run in step) == list(range(len(runs)))
            company = {run.index: len(step) for step in steps for run in step}
            assert all(len({company[run.index] for run in runs if run.block == block}) == 1 for block in range(count))


def test_all_are_under_way_at_once_and_each_has_what_it_raised() -> None:
    both = threading.Barrier(2)

    def fail() -> None:
        both.wait(30)
        raise InfrastructureError("this one only")

    done = side_by_side.carry_out({3: lambda: (both.wait(30), None)[1], 5: fail})
    assert done[3] is None and isinstance(done[5], InfrastructureError)
    assert isinstance(side_by_side.carry_out({7: fail_at_once})[7], InfrastructureError)


def fail_at_once() -> None:
    raise InfrastructureError("alone")


def test_an_interrupt_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C, of which only the main thread hears: while all are under way, and before the last is."""
    ended = []

    def follow() -> None:
        until = time.monotonic() + 60
        while not vm.HALTED.is_set():
            assert time.monotonic() < until, "nobody told it to end"
            time.sleep(0.01)
        ended.append(threading.current_thread())
        raise KeyboardInterrupt

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side.carry_out({0: follow, 1: follow})
    assert len(ended) == 2 and not vm.HALTED.is_set()

    submit = ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda pool, job: interrupt() if job is interrupt else submit(pool, job))
    with pytest.raises(KeyboardInterrupt):
        side_by_side.carry_out({0: follow, 1: interrupt})
    assert len(ended) == 3 and not vm.HALTED.is_set()
