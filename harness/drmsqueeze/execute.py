# SPDX-License-Identifier: MIT
"""One run: have a machine begin it, follow the agent's records to their end, and leave the facts in a run directory."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from drmsqueeze import unfinished
from drmsqueeze.journal import Journal
from drmsqueeze.lab import Lab as Lab
from drmsqueeze.limits import Limits
from drmsqueeze.machines.machine import Machine, NotUp, Site, Task, UnderWay
from drmsqueeze.plan import PlannedRun
from drmsqueeze.scenario import Scenario

POLL_S = 0.02
# The agent's own work before the first job and after the last: filling memory, probe, restoring.
OVERHEAD_S = 60.0
POWER_OFF_S = 20.0
# Blocked tasks with their stacks, before the agent has given much back; the locks that they hold, where the kernel has lockdep (any
# other answers with its list of keys); then memory.
EVIDENCE_KEYS = "wdm"

Watcher = Callable[[Any, Journal], None]


def time_limit_s(document: dict[str, Any], time_scale: float) -> float:
    """How long a run may take whose agent is alive, from its first record.

    Every job ends by its deadline or starts the release test, which ends the run: so this is never reached by an agent that works.
    `document` is a scenario with its times scaled.
    """
    def slowest_s(stressor: Mapping[str, Any]) -> float:
        jobs = stressor["jobs"] * stressor.get("threads", 1) * stressor.get("contexts", 1)
        pause_s = 1 / stressor["rate_hz"] if stressor.get("rate_hz") else 0.0
        return float(jobs * (document["deadline_ms"] / 1000 + pause_s))

    jobs_s = sum(phase["duration_ms"] for phase in document["phases"]) / 1000 or max(map(slowest_s, document["stressors"]))
    return jobs_s + (document["deadline_ms"] + document["grace_ms"]) / 1000 + OVERHEAD_S * time_scale


class _Follower:
    """Follows a machine to the end of its run, and says what that end was."""

    def __init__(self, under_way: UnderWay, journal: Journal, silent_s: float, limit_s: float, watch: Watcher | None) -> None:
        self._machine: Machine = under_way.machine
        self._records, self._looked = under_way.records, under_way.looked
        self._journal, self._watch = journal, watch
        self._silent_s, self._boot_limit_s, self._limit_s = silent_s, under_way.boot_limit_s, limit_s
        self.sysrq_taken = self._asked = False
        self.hello_at: float | None = None
        self._heard_at = self._machine.started

    def _drain(self, final: bool = False) -> bool:
        heard = False
        for record in self._records.read(final):
            self._journal.take(record)
            heard = True
        self._looked()
        return heard

    def _take_evidence(self) -> bool:
        """Returns whether the guest answered now."""
        answered = self._machine.sysrq(EVIDENCE_KEYS)
        self.sysrq_taken |= answered
        return answered

    def _witness(self, kind: str, text: str = "") -> None:
        """Of what is seen from outside; in guest seconds, as far as they are known."""
        last = self._journal.last_s
        self._journal.witness(kind, text, None if last is None else last + time.monotonic() - self._heard_at)

    def _how_it_ended(self, over: str) -> str:
        if self._journal.bye:
            return "bye"
        if "Kernel panic" in self._machine.console() or ("guest-panic" in {kind for kind, _ in self._journal.witnesses}):
            return "panic"
        return over

    def follow(self) -> str:
        """Until the agent said bye and a guest is off, or until there is nothing more to wait for."""
        while True:
            over = self._machine.over
            if self._drain(final=over is not None):
                self._heard_at = time.monotonic()
                self.hello_at = self.hello_at or self._heard_at
            for event in self._machine.panics():
                self._witness("guest-panic", event)
            if self._journal.late and not self._asked and not self.sysrq_taken and not over:
                self._asked = True  # once: a kernel that does not answer now may never do so, and its silence must be noticed
                self._take_evidence()  # from outside, while it lasts: the agent's own view may be cut off any moment
                self._heard_at = time.monotonic()  # what the guest has said meanwhile is not read yet
                continue
            if self._watch:
                self._watch(self._machine, self._journal)
            if over:
                return self._how_it_ended(over)
            now = time.monotonic()
            if self._records.full:
                return "ring-full"
            if self._journal.bye:
                if not self._machine.powers_off or now - self._heard_at > POWER_OFF_S:
                    return "bye"
            elif self.hello_at is None:
                if now - self._machine.started > self._boot_limit_s:
                    return "boot-timeout"
            elif now - self._heard_at > self._silent_s or self._machine.deserted:
                self._witness("heartbeat-lost")
                answered = self._take_evidence()
                if not answered:
                    self._witness("console-silent", "no answer to sysrq")
                return self._machine.silence(answered)
            elif now - self.hello_at > self._limit_s:
                self._take_evidence()
                self._records.ask_to_stop()
                self._machine.wait_for_end(POWER_OFF_S)
                return "time-limit"
            time.sleep(POLL_S)

    def finish(self) -> None:
        """After the guest was ended: the records that nobody will publish any more."""
        self._drain(final=True)


# Ends of a machine that are the test's own failure. A guest that died or fell silent is judged with what was witnessed.
_BROKEN = {
    "boot-timeout": "the guest did not come up within {limit:.0f} s",
    "time-limit": "the agent was alive and did not end the run within {limit:.0f} s",
    "poweroff-without-bye": "the agent ended without a word",
    "ring-full": "the agent wrote more records than there is room for in a run that is recorded; fewer jobs will do",
}


def execute(site: Site, scenario: Scenario, run: PlannedRun, kernel: str, directory: Path, watch: Watcher | None = None,
            warm: bool = False, beside: int = 0) -> None:
    """Carry out one run and write its facts (not its verdict) into `directory`, which is created.

    With `warm` a guest starts from the snapshot of the run's cluster where that can be. `beside`: how many other runs go at the same
    time. `watch` is called at every poll, with the machine and the journal so far. Raises InfrastructureError where the lab cannot be
    built; whatever becomes of the machine is a fact of the run.
    """
    scenario = site.suited(scenario)
    usual_scale, slower = site.time_scales(kernel)
    machine_scale = scenario.document.get("time_scale", usual_scale)
    time_scale = machine_scale * slower
    at_rate = scenario.at_rate(run.rate_hz)
    document = at_rate.scaled(time_scale)
    resolved = Scenario(at_rate.document | {"seed": run.seed, "time_scale": machine_scale, "levels": [run.level], "runs": 1})
    limits = Limits.of(document["deadline_ms"], time_scale)
    request = {"schema": "drmsqueeze.request/1", "scenario": document, "level": run.level, "seed": run.seed,
               "time_scale": time_scale, "witness_limits_ms": limits.request()}
    request |= {name: document[name] for name in ("deadline_ms", "grace_ms", "driver_timeout_ms")}
    started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    task = Task(resolved, request, limits, run, kernel, directory, slower, warm, beside)
    begun = {
        "schema": "drmsqueeze.facts/1",
        "scenario": {"name": scenario.name, "sha256": scenario.sha256, "seed": run.seed},
        "level": run.level, "rate_hz": run.rate_hz, "arm": run.arm, "index": run.index, "block": run.block,
        "time_scale": time_scale, "started": started, "expect": scenario["expect"].get(kernel),
        **task.facts({"kind": site.name}),
    }
    directory.mkdir(parents=True)
    (directory / "evidence").mkdir()
    (directory / "scenario.json").write_text(json.dumps(resolved.document, indent=1) + "\n")
    (directory / "request.json").write_text(json.dumps(request, indent=1) + "\n")
    unfinished.begin(directory, begun)

    journal = Journal(directory)
    limit_s = time_limit_s(document, time_scale)
    began = time.monotonic()
    follower, under_way = None, None
    try:
        with site.begin(task, journal) as under_way:
            unfinished.begin(directory, begun := begun | under_way.facts())
            follower = _Follower(under_way, journal, limits.silence, limit_s, watch)
            ended = follower.follow()
            under_way.end()
            follower.finish()
            over = time.monotonic()
            complaint = under_way.machine.complaint()
            journal.complete_reason(under_way.machine.console())
            under_way.leave(ended)
        began = under_way.machine.started
    except NotUp as error:
        if under_way:
            raise
        ended, over, complaint = "boot-timeout", time.monotonic(), str(error)
    hello_at = follower.hello_at if follower and follower.hello_at else over
    broken = None
    if not under_way:
        broken = complaint
    elif ended in _BROKEN and not (ended == "poweroff-without-bye" and journal.witnesses):
        broken = _BROKEN[ended].format(limit=under_way.boot_limit_s if ended == "boot-timeout" else limit_s)
        broken += f"; {complaint}"
    elif journal.hello is None:
        broken = f"the guest ended ({ended}) before the agent said hello; {complaint}"
    facts = begun | (under_way.facts() if under_way else {})
    unfinished.conclude(directory, facts | {
        "machine": facts["machine"] | {"sysrq_taken": bool(follower and follower.sysrq_taken)},
        "timing_s": {"boot": round(hello_at - began, 3), "run": round(over - hello_at, 3)},
        "infrastructure_error": broken}, journal, ended)
    if under_way:
        under_way.settled()
