# SPDX-License-Identifier: MIT
"""The small nights of a campaign: scenarios whose outcome is known beforehand, however often something is killed meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEADLINE_MS, GRACE_MS = 3000, 300
KNOBS: Sequence[Mapping[str, Any]] = ({"kind": "fail-page-alloc", "scope": {"thread": "nobody*"}}, {"kind": "memcg", "max_mib": 64})


@dataclass(frozen=True)
class Workload:
    """A scenario, and what a whole run of it comes to: its verdict, how many jobs complete, and what else jobs of it may come to."""

    scenario: Mapping[str, Any]
    verdict: str
    completed: int
    fates: Sequence[str] = ()

    @property
    def name(self) -> str:
        return str(self.scenario["name"])


def _scenario(name: str, what: str, jobs: int, rate_hz: int, **members: Any) -> dict[str, Any]:
    contexts = members.pop("contexts", 1)
    return {
        "schema": "drmsqueeze.scenario/1", "name": name, "description": what, "target": {"driver": "vgem"},
        "stressors": [{"kind": "bo-churn", "jobs": jobs, "rate_hz": rate_hz, "contexts": contexts, "max_kib": 128}],
    } | members


SHORT: dict[str, Any] = {"deadline_ms": DEADLINE_MS, "grace_ms": GRACE_MS}
# On a board of processes, whose agent makes jobs fail or hang where the scenario's name says so (process_agent.py).
PROCESSES = (
    Workload(_scenario("works", "All is well.", 100, 40, **SHORT), "pass", 100),
    Workload(_scenario("turns-knobs", "Injectors turn knobs.", 60, 30, contexts=2, injectors=list(KNOBS), **SHORT), "pass", 120),
    Workload(_scenario("fails", "Eight of forty jobs fail.", 40, 20, **SHORT), "fail", 32, ("failed",)),
    Workload(_scenario("hangs", "The fourth job never ends.", 6, 50, **SHORT), "fail", 3, ("hung",)),
)
# In a guest, on vgem: the CPU alone does them. On a board the limits of its detectors are turned as well. Reclaim takes what was written to a BO
# of vgem (configs/suite/memcg-vgem-contents.json), so that the second one always has something to find.
SLOW: dict[str, Any] = {"deadline_ms": 4000, "grace_ms": 1000, "time_scale": 4}
GUESTS = (
    Workload(_scenario("works", "All is well.", 40, 20, **SLOW), "pass", 40),
    Workload({**_scenario("turns-knobs", "A cgroup with little memory, and contents that are lost.", 0, 0, **SLOW),
              "stressors": [{"kind": "bo-churn", "min_kib": 1024, "max_kib": 1024, "working_set": 32, "jobs": 100, "rate_hz": 50}],
              "injectors": [{"kind": "memcg", "high_mib": 16}]}, "fail", 0, ("corrupted",)),
)
