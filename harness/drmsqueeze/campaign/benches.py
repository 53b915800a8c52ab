# SPDX-License-Identifier: MIT
"""The machines of a campaign by their names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from drmsqueeze import guest as guests
from drmsqueeze.campaign import killers
from drmsqueeze.campaign.fast_bench import FastBench
from drmsqueeze.campaign.guest_benches import opened_stand_in, opened_vm
from drmsqueeze.campaign.scene import BenchMaker

Makers = BenchMaker


@dataclass(frozen=True)
class Kind:
    """How to open what all rounds share, and how many rounds go side by side."""

    opened: Callable[[], AbstractContextManager[BenchMaker]]
    at_once: int


@contextmanager
def _fast() -> Iterator[BenchMaker]:
    guests.build_for_boards("x86_64")  # once, and not by as many harnesses as there are rounds at once
    yield FastBench


BENCHES: Mapping[str, Kind] = {killers.FAST: Kind(_fast, 8), killers.STAND_IN: Kind(opened_stand_in, 1), killers.VM: Kind(opened_vm, 1)}
