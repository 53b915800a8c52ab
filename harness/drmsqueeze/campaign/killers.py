# SPDX-License-Identifier: MIT
"""Who kills what. A killer acts once, or several times, at moments that are drawn from the round's seed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drmsqueeze import nightly
from drmsqueeze.campaign.scene import Scene

FAST, STAND_IN, VM = "fast", "stand-in", "vm"
BOARDS = (FAST, STAND_IN)
ALL = (FAST, STAND_IN, VM)
AGENTS = ("client", "superv", "guardian", "keeper", "all")
MOST_KILLS = 3


@dataclass(frozen=True)
class Killer:
    name: str
    what: str
    machines: Sequence[str]
    do: Callable[[Scene], bool | None]
    """False where there was nothing to kill: it is tried again a little later."""
    times: int = 1
    """How often at the most."""
    disk: bool = False
    """Whether the results need a disk of their own."""
    quiet: bool = False


def _later(scene: Scene, least_s: float, most_s: float, what: str, do: Callable[[], object]) -> None:
    scene.undo.append((time.monotonic() + scene.random.uniform(least_s, most_s), what, do))


def _harness(scene: Scene) -> None:
    scene.harness.kill()


def _host(scene: Scene) -> None:
    scene.harness.kill_with_all()


def _agent(which: str) -> Callable[[Scene], bool]:
    def kill(scene: Scene) -> bool:
        if not scene.bench.has_agent(which):
            return False
        time.sleep(scene.random.uniform(0, scene.bench.run_s))
        return scene.bench.kill_agent(which)
    return kill


def _harness_and_power(scene: Scene) -> None:
    scene.harness.kill()
    scene.bench.cut_power()


def _unplug(scene: Scene) -> bool:
    if scene.bench.unplug(True) is False:
        return False
    _later(scene, 1, 12, "the network cable is put back", lambda: scene.bench.unplug(False))
    return True


def _flood(scene: Scene) -> bool:
    return scene.bench.flood(scene.random.uniform(1, 6))


def _flood_unplugged(scene: Scene) -> bool:
    scene.bench.flood(30)
    return _unplug(scene)


def _full(scene: Scene) -> None:
    scene.disk.fill(scene.random.choice((0, 0, 1000, 20000, 200000)))
    scene.again = True
    _later(scene, 0.5, 8, "the disk has room again", scene.disk.free)


def _read_only(scene: Scene) -> None:
    scene.disk.read_only()
    scene.again = True
    _later(scene, 0.5, 8, "the results can be written again", scene.disk.writable)


def _connections(scene: Scene) -> bool:
    return bool(scene.harness.kill_connections())


def _worker(scene: Scene) -> bool:
    return scene.harness.kill_worker()


KILLERS: Sequence[Killer] = (
    Killer("none", "nothing, as a control", ALL, lambda scene: None, quiet=True),
    Killer("harness", "the harness alone, up to three times", ALL, _harness, times=MOST_KILLS),
    Killer("host", "the harness with all that it started, as where the lab's host loses its power", ALL, _host, times=MOST_KILLS),
    Killer("worker", "the process of the harness that serves one board, up to two times", ALL, _worker, times=nightly.MOST_FRUITLESS - 1),
    *(Killer(f"agent-{which}", {"all": "all of the agent", "keeper": "the agent's first process"}.get(which, f"the agent's {which}"), BOARDS,
             _agent(which)) for which in AGENTS),
    Killer("guest", "the guest: its power fails and comes back", ALL, lambda scene: scene.bench.cut_power()),
    Killer("harness+guest", "the harness, and the power of the board", BOARDS, _harness_and_power),
    Killer("panic", "the kernel panics", BOARDS, lambda scene: scene.bench.panic()),
    Killer("freeze", "the machine stands still", BOARDS, lambda scene: scene.bench.freeze()),
    Killer("console", "the connection to the console, up to three times", (FAST,), lambda scene: scene.bench.cut_console(), times=MOST_KILLS),
    Killer("ssh", "the ssh processes of the harness, up to three times", BOARDS, _connections, times=MOST_KILLS),
    Killer("sshd", "the board's side of ssh, up to three times", BOARDS, lambda scene: scene.bench.kill_sshd(), times=MOST_KILLS),
    Killer("network", "the network cable is pulled, and put back", BOARDS, _unplug),
    Killer("flood", "the console is flooded", BOARDS, _flood),
    Killer("flood+network", "the console is flooded, and is the only way for records", (FAST,), _flood_unplugged),
    Killer("disk-full", "the disk with the results is full for a while", ALL, _full, disk=True),
    Killer("read-only", "the results' directory cannot be written to for a while", ALL, _read_only, disk=True),
)


def of(machine: str) -> list[Killer]:
    return [killer for killer in KILLERS if machine in killer.machines]
