# SPDX-License-Identifier: MIT
"""The machines that a user can name, and the place that each name means."""

from pathlib import Path

from drmsqueeze.errors import UsageError
from drmsqueeze.lab import Lab
from drmsqueeze.machines import board_file, labgrid_target, ways
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.machines.machine import Site
from drmsqueeze.scenario import Scenario

VM = "vm"
LOCAL = board_file.LOCAL
HELP = "vm, local, the file of a board, or a labgrid environment file (docs/labs.md)"
DESCRIPTIONS = {VM: "a QEMU guest with the GPU models", LOCAL: "this very computer, if it is marked as a test target: docs/boards.md",
                "FILE.json": "a board, by its file: docs/boards.md",
                "FILE.yaml": "a target of a labgrid environment, FILE.yaml:TARGET of several: docs/labs.md"}
# Of runs of machine `local`, on a disk; and of an agent that was started by hand.
JOURNALS = [Path(place) / "restore.json" for place in (board_file.local().state, "/run/drmsqueeze")]


def site(machine: str) -> Lab | BoardSite:
    """The place that this names. Raises UsageError, and InfrastructureError where it cannot be had now."""
    return Lab() if machine == VM else kept(machine)


def kept(machine: str) -> BoardSite:
    """As `site`, where a machine that is kept is asked for. Raises UsageError also for the VM."""
    if machine == VM:
        raise UsageError(f"{machine}: found the machine that is thrown away after each run; expected local, or the file of a board")
    if machine == LOCAL:
        here = board_file.local()
        return BoardSite(here, ways.of_this_machine(here))
    if labgrid_target.is_named(machine):
        target = labgrid_target.load(machine)
        return BoardSite(target.board, target.ways())
    return BoardSite(board_file.load(Path(machine)))


def unfit(there: Site, kernel: str, scenario: Scenario) -> str | None:
    """Why a scenario cannot be carried out there on this kernel, as far as that is known before; None where nothing speaks against it."""
    try:
        there.refuse(kernel, scenario)
    except UsageError as error:
        return str(error)
    return None


def default_kernel(machine: str) -> str:
    """The kernel where nobody asked for one: `lab` in the VM; on a board that which runs there."""
    return "lab" if machine == VM else board_file.RUNNING
