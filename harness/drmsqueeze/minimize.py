# SPDX-License-Identifier: MIT
"""Makes a scenario smaller while something still shows: fewer parts (ddmin), then lesser values, each candidate tried until it is clear.

Nothing here knows of machines: `Execute` carries a trial out. All decisions follow from the trials, in order, and every trial is written
down before the next: so a search that was interrupted takes up where it was, by asking its own records first.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from drmsqueeze_results.documents import validate, write_json
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.findings import KINDS
from drmsqueeze_results.model import Outcome, Run, Status
from drmsqueeze_results.statistics import CONFIDENCE, upper_bound
from statsmodels.stats.proportion import proportion_confint

from drmsqueeze import smaller
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.reduce import ddmin, least
from drmsqueeze.scenario import Scenario
from drmsqueeze.sequential import Rule

SCHEMA = "drmsqueeze.minimize/1"
MINIMAL = "minimal.json"
STATE = "minimize.json"
LEDGER = "trials.jsonl"
TRIALS = 6
MAX_RUNS = 200
# A candidate has this many times TRIALS at most: a rare bug needs more to be told from none.
PATIENCE = 4
# Trials in a row whose machine did not come up, before the lab is called broken.
BROKEN_IN_A_ROW = 3
# A run with one of these codes says nothing of the scenario; one with those of REFUSED says that it cannot be executed.
BROKEN = frozenset({"infrastructure", "boot-timeout"})
REFUSED = frozenset({"agent-error", "target-missing", "unsupported", "level-out-of-reach"})
SEARCHED = "search"
FIRST = "first"
LAST = "last"

T = TypeVar("T", smaller.Part, smaller.Value)


@dataclass(frozen=True)
class Until:
    """What a run must show: any of these outcomes, or a finding with any of these signatures, beginnings of one, or kinds."""

    text: str
    outcomes: tuple[Outcome, ...]
    findings: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> "Until":
        """From the words of the command line, such as `hung|finding:hung-task`. Raises UsageError that says what there is."""
        outcomes, found = [], []
        bad = [fate.value for fate in Outcome if fate is not Outcome.COMPLETED]
        for word in text.split("|"):
            kind, colon, signature = word.strip().partition(":")
            if kind == "finding" and colon and any(name.startswith(signature.strip()) or signature.strip().startswith(f"{name}:")
                                                   for name in KINDS) and signature.strip():
                found.append(signature.strip())
            elif kind in bad and not colon:
                outcomes.append(Outcome(kind))
            elif kind == "finding":
                raise UsageError(f"--until {word.strip()!r}: there is no such kind of finding; a signature begins with one of: "
                                 + ", ".join(sorted(KINDS)))
            else:
                raise UsageError(f"--until {word.strip()!r}: expected one of {', '.join(bad)}, or finding:SIGNATURE; several with |")
        return Until(text, tuple(outcomes), tuple(found))

    def met_by(self, run: Run) -> bool:
        """Whether a run shows it."""
        return any(run.jobs.of(outcome) for outcome in self.outcomes) or any(
            finding.signature.startswith(signature) for finding in run.findings for signature in self.findings)


@dataclass(frozen=True)
class Trial:
    """One run of one candidate. `refused`: the target cannot execute this scenario, so more trials would say the same."""

    seen: bool
    refused: bool
    broken: bool
    status: str
    reason_code: str
    jobs: Mapping[str, int]


def judged(run: Run, until: Until) -> Trial:
    """What a run says of its scenario. What is searched for counts in whatever run it shows."""
    seen, code = until.met_by(run), run.verdict.reason_code
    usable = run.status in (Status.PASS, Status.FAIL)
    return Trial(seen, not seen and not usable and code in REFUSED, not seen and not usable and code in BROKEN, run.status.value, code,
                 {name: count for name, count in vars(run.jobs).items() if count})


Execute = Callable[[Scenario, int, Path], Trial]
"""Carries out trial number N of a scenario in a directory that does not exist yet."""


class OutOfRuns(Exception):
    """The runs that were allowed are used up."""


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    scenario: Scenario
    until: Until
    kernel: str
    trials: int = TRIALS
    max_runs: int = MAX_RUNS

    def asked(self) -> dict[str, Any]:
        """What must be the same for records of one search to serve another."""
        return {"scenario": self.scenario.name, "sha256": self.scenario.sha256, "until": self.until.text, "kernel": self.kernel,
                "trials": self.trials}


class Trials:
    """All trials of one search, each written down in DIR/trials.jsonl with its run in DIR/trials/NNNN; records are asked first."""

    def __init__(self, directory: Path, execute: Execute, max_runs: int, note: Callable[[str], None]) -> None:
        self._directory, self._execute, self._max, self._note = directory, execute, max_runs, note
        self._recorded: dict[tuple[str, str], list[Trial]] = {}
        self.runs = self.taken = 0
        ledger = directory / LEDGER
        if not ledger.exists():
            return
        whole: list[str] = []
        for line in ledger.read_text().splitlines():
            try:
                entry = json.loads(line)
                recorded = Trial(**entry["result"])
            except (ValueError, TypeError, KeyError):
                break  # cut off by an interruption; what follows from it is done again
            self._recorded.setdefault((entry["purpose"], entry["sha256"]), []).append(recorded)
            whole.append(f"{line}\n")
        self.runs = len(whole)
        ledger.write_text("".join(whole))

    def trial(self, candidate: Scenario, purpose: str, reserve: int = 0) -> Trial:
        """One trial; the machine that does not come up is tried again. Raises OutOfRuns where fewer than `reserve` would be left."""
        for _ in range(BROKEN_IN_A_ROW):
            recorded = self._recorded.get((purpose, candidate.sha256))
            done = recorded.pop(0) if recorded else self._run(candidate, purpose, reserve)
            self.taken += 1
            self._note(f"{done.status}, {', '.join(f'{n} {fate}' for fate, n in done.jobs.items() if fate != 'submitted') or 'no jobs'}")
            if not done.broken:
                return done
        raise InfrastructureError(f"{BROKEN_IN_A_ROW} runs in a row did not do their work ({done.reason_code}); "
                                  f"see {self._directory / 'trials'}")

    def _run(self, candidate: Scenario, purpose: str, reserve: int) -> Trial:
        if self.runs + reserve >= self._max:
            raise OutOfRuns
        name = f"{self.runs:04d}"
        place = self._directory / "trials" / name
        if place.exists():  # of the run that was interrupted
            shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        done = self._execute(candidate, self.runs, place)
        with (self._directory / LEDGER).open("a") as ledger:
            ledger.write(json.dumps({"trial": name, "purpose": purpose, "sha256": candidate.sha256, "result": asdict(done)}) + "\n")
        self.runs += 1
        return done


@dataclass(frozen=True)
class Rate:
    """How often it was seen in so many runs, with the interval of Clopper and Pearson (95 %)."""

    seen: int
    runs: int
    low: float
    high: float

    @staticmethod
    def of(seen: int, runs: int) -> "Rate":
        low, high = proportion_confint(seen, runs, alpha=1 - CONFIDENCE, method="beta") if runs else (0.0, 1.0)
        return Rate(seen, runs, float(low), float(high))

    @property
    def sentence(self) -> str:
        """For people."""
        return (f"in {self.seen} of {self.runs} runs (rate {100 * self.low:.0f} to {100 * self.high:.0f} %, "
                f"{100 * CONFIDENCE:g} % interval of Clopper and Pearson)")


@dataclass
class Result:
    """The outcome of a search, also of one under way. `state`: running, minimal, out-of-runs or not-reproduced."""

    plan: Plan
    state: str
    best: Scenario
    before: Rate
    after: Rate | None = None
    rule: Rule | None = None
    runs: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)
    taken_back: int = 0

    def document(self) -> dict[str, Any]:
        """The contents of minimize.json."""
        after = asdict(self.after) if self.after else {}
        return {"schema": SCHEMA, "asked": self.plan.asked(), "state": self.state, "rule": asdict(self.rule) if self.rule else None,
                "before": asdict(self.before) | size(self.plan.scenario), "after": after | size(self.best),
                "runs": self.runs, "taken_back": self.taken_back, "steps": self.steps}

    @property
    def sentence(self) -> str:
        """For people: what is left, how surely, and at which price."""
        what, name = self.plan.until.text, self.plan.scenario.name
        if self.state == "not-reproduced":
            bound = upper_bound(0, self.before.runs)
            bounded = "" if bound is None else f", which bounds the rate of a run at {100 * bound:.0f} % ({100 * CONFIDENCE:g} % confidence)"
            return f"{name} does not reproduce {what}: 0 of {self.before.runs} runs on {self.plan.kernel}{bounded}."
        was, now = size(self.plan.scenario), size(self.best)
        end = "" if self.state == "minimal" else "; the runs allowed were used up, so it may not be the smallest (--max-runs)"
        back = f"; {self.taken_back} steps were taken back, for what they led to showed it too rarely" if self.taken_back else ""
        rate = self.after.sentence if self.after else "in no further run yet"
        smaller_by = f"from {was['parts']} parts and {was['values']} values to {now['parts']} and {now['values']} in {self.runs} runs"
        return (f"{name}: {smaller_by}{end}{back}. {what} was seen {rate}; before {self.before.sentence}.")


def size(scenario: Scenario) -> dict[str, int]:
    """Parts of a scenario, those within parts too, and values of it that are not at their least."""
    document = scenario.document
    return {"parts": len(smaller.parts(document)) + len(smaller.inner_parts(document)), "levels": len(document["levels"]),
            "values": len(smaller.values(document))}


class Search:
    """One search. The best so far, and how it came to be, are on disk after every step."""

    def __init__(self, plan: Plan, directory: Path, execute: Execute, note: Callable[[str], None] = lambda _: None) -> None:
        self._plan, self._directory, self._say = plan, directory, note
        self._trials = Trials(directory, execute, plan.max_runs, self._noted)
        self._doing = ""
        self._accepted: list[Scenario] = []
        self._decided: dict[str, bool] = {}
        self._result = Result(plan, "running", plan.scenario, Rate.of(0, 0))

    @property
    def result(self) -> Result:
        """What is known up to now."""
        return self._result

    def _noted(self, came: str) -> None:
        now = size(self._result.best)
        self._say(f"{self._doing}: {came}; best: {now['parts']} parts, {now['values']} values")

    def _save(self) -> None:
        result = self._result
        result.runs = self._trials.taken
        document = result.document()
        validate(document, "minimize", str(self._directory / STATE), BadRunDirectory)
        write_json(self._directory / STATE, document)
        if self._accepted:
            found = f"seen {result.after.sentence}" if result.after else "not finished"
            about = f"Minimised from {self._plan.scenario.name} on kernel {self._plan.kernel} until {self._plan.until.text}: {found}."
            write_json(self._directory / MINIMAL, smaller.brief(result.best.document | {
                "name": f"{self._plan.scenario.name}-minimal", "description": about}))

    def _count(self, candidate: Scenario, purpose: str) -> Rate:
        """The rate of a candidate, from fresh runs, as many as were asked for."""
        seen = runs = 0
        try:
            while runs < self._plan.trials:
                seen += self._trials.trial(candidate, purpose).seen
                runs += 1
        except OutOfRuns:
            pass
        return Rate.of(seen, runs)

    def _take(self, candidate: Scenario) -> None:
        self._result.best = candidate
        self._accepted.append(candidate)

    def _happens(self, candidate: Scenario | None, doing: str) -> bool:
        """Whether it still happens with a candidate, which is then the best; what is no scenario shows nothing."""
        rule = self._result.rule
        assert rule is not None
        if candidate is None or candidate.sha256 == self._result.best.sha256:
            return candidate is not None
        if candidate.sha256 in self._decided:
            return self._decided[candidate.sha256]
        self._doing = doing
        seen = missed = 0
        while (decision := rule.decide(seen, missed)) is None:
            trial = self._trials.trial(candidate, SEARCHED, reserve=self._plan.trials)
            seen, missed = seen + trial.seen, missed + (not trial.seen)
            if trial.refused:
                decision = False
                break
        self._decided[candidate.sha256] = decision
        self._result.steps.append({"tried": doing, "sha256": candidate.sha256, "seen": seen, "runs": seen + missed, "taken": decision})
        if decision:
            self._take(candidate)
        self._save()
        return decision

    def _fewest(self, items: Sequence[T], build: Callable[[Sequence[T]], Scenario | None], doing: str) -> list[T]:
        def happens(kept: Sequence[T]) -> bool:
            gone = [item for item in items if item not in kept]
            names = ", ".join(item.name for item in gone)
            return self._happens(build(gone), f"{doing} {names if len(gone) <= 3 else f'{len(gone)} of {len(items)}'}")

        return ddmin(items, happens)

    def _reduce(self) -> None:
        for find in (smaller.parts, smaller.inner_parts):
            whole = self._result.best
            self._fewest(find(whole.document), lambda gone, whole=whole: smaller.without(whole, gone), "without")  # type: ignore[misc]
        whole = self._result.best
        kept = self._fewest(smaller.values(whole.document),
                            lambda lower: smaller.with_values(whole, {value.path: value.least for value in lower}), "least")
        for value in kept:
            if value.between:
                least(value.now, value.least, lambda number, path=value.path: self._happens(  # type: ignore[misc]
                    smaller.with_values(self._result.best, {path: number}), f"{smaller.pointer(path)} = {number:g}"),
                    unit=value.unit, span=value.span)

    def _first(self) -> Iterator[Scenario]:
        """The scenario at each of its levels, the one with the least memory left first."""
        for level in sorted(self._plan.scenario["levels"]):
            yield smaller.at_level(self._plan.scenario, level)

    def run(self) -> Result:
        """Search to the end, or until the runs are used up. Raises InfrastructureError where the lab is broken."""
        result, tried = self._result, 0
        for whole in self._first():
            self._doing = f"as it is, level {whole['levels'][0]:g}"
            result.before = self._count(whole, FIRST)
            tried += result.before.runs
            if result.before.seen:
                break
        if not result.before.seen:
            result.before, result.state = Rate.of(0, tried), "not-reproduced"
            self._save()
            return result
        result.rule = Rule.after(result.before.seen, result.before.runs, PATIENCE * self._plan.trials)
        self._take(whole)
        self._save()
        try:
            self._reduce()
            result.state = "minimal"
        except OutOfRuns:
            result.state = "out-of-runs"
        self._confirm()
        self._save()
        return result

    def _confirm(self) -> None:
        """The rate of the best, from runs that had no part in choosing it; back to an earlier one where that is too low."""
        rule = self._result.rule
        assert rule is not None
        for candidate in reversed(self._accepted):
            self._result.best, self._doing = candidate, "what is left"
            if candidate is self._accepted[0]:
                self._result.after = self._result.before
                return
            self._result.after = self._count(candidate, LAST)
            bound = upper_bound(self._result.after.seen, self._result.after.runs)
            if bound is None or bound >= rule.wanted:
                return
            self._result.taken_back += 1


def resumable(directory: Path, plan: Plan) -> bool:
    """Whether a directory holds records of this very search. Raises UsageError where they are of another."""
    path = directory / STATE
    if not path.exists():
        return False
    asked = json.loads(path.read_text()).get("asked")
    if asked != plan.asked():
        raise UsageError(f"{directory} holds a search of something else: {asked}")
    return True
