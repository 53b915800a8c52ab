# SPDX-License-Identifier: MIT
"""Replays: a recorded run carried out again from what its directory, or its bundle, says, and both told apart or called the same.

What is repeated is the scenario as resolved, its level, seed and time scale, on the kernel of the same name. Whether that kernel, the
driver's module and the machine are those of the record is found out by their hashes, and every difference is told.
"""

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drmsqueeze_results import outcomes
from drmsqueeze_results.documents import validate, write_json
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.model import Environment, Outcome, Run, Status
from drmsqueeze_results.statistics import CONFIDENCE
from rich.table import Table
from rich.text import Text
from statsmodels.stats.proportion import proportion_confint

from drmsqueeze import bundle, cache, kernels, scenario, targets
from drmsqueeze.errors import UsageError
from drmsqueeze.execute import Lab
from drmsqueeze.plan import Plan, PlannedRun
from drmsqueeze.scenario import Scenario

SCHEMA = "drmsqueeze.replay/1"
# Of the environment that a guest reports of itself: what a reader needs to judge a difference.
REPORTED = ("ram_kib", "swap", "min_free_kib", "swappiness", "thp", "mglru", "preemption", "hz")


@dataclass(frozen=True)
class Difference:
    """Something that was not as it was recorded; `consequence` says what was done about it or what it means."""

    what: str
    recorded: Any
    here: Any
    consequence: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        told = f"{self.what}: recorded {_shown(self.recorded)}, here {_shown(self.here)}"
        return f"{told}; {self.consequence}" if self.consequence else told


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12] + "..."
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Recorded:
    """A run directory, and what today's code says of it: so that both sides are judged by the same rules."""

    directory: Path
    run: Run
    scenario: Scenario
    expect: Any


def load(source: Path, directory: Path) -> Recorded:
    """The recorded run in a run directory, or in a bundle, which is unpacked into `directory`/recorded.

    Raises UsageError for anything else.
    """
    if source.is_file():
        place = directory / "recorded"
        try:
            found = bundle.unpack(source, place)
        except UsageError:
            shutil.rmtree(place, ignore_errors=True)
            raise
    elif source.is_dir():
        found = source
    else:
        raise UsageError(f"{source}: there is no such run directory and no such bundle")
    run = bundle.check_run(found)
    facts = json.loads((found / "facts.json").read_text())
    return Recorded(found, run, scenario.load(found / "scenario.json"), facts["expect"])


def nearest_kernel(name: str) -> tuple[str, list[Difference]]:
    """The kernel of this name, or the one here that has most of its variants, with what differs."""
    try:
        return kernels.KernelSpec.parse(name).name, []
    except UsageError as error:
        reason = str(error)
    base, *variants = name.split("+")
    known = base if _exists(base) else "lab"
    for variant in dict.fromkeys(variants):
        if _exists(f"{known}+{variant}"):
            known += f"+{variant}"
    return known, [Difference("kernel", name, known, f"the nearest that there is here ({reason})")]


def _exists(name: str) -> bool:
    try:
        kernels.KernelSpec.parse(name)
    except UsageError:
        return False
    return True


def _take_recorded_kernel(recorded: Environment, lab: Lab, kernel: str) -> Iterator[Difference]:
    """Where the tree asks for another kernel today than the recorded one, and the cache still holds that: it is taken."""
    now = lab.guest(kernel).kernel
    if (now.config_sha256, now.release) == (recorded.kernel.config_sha256, recorded.kernel.release):
        return
    found = kernels.built_with(recorded.kernel.config_sha256, recorded.kernel.release)
    if found:
        base = kernels.KernelSpec.parse(kernel).base
        lab.take(base, found)
        yield Difference(f"config of what the tree calls `{base}`", recorded.kernel.config_sha256, now.config_sha256,
                         "the cache still holds the recorded kernel, which is taken")


def _kernel_differences(recorded: Environment, lab: Lab, kernel: str) -> Iterator[Difference]:
    here = lab.guest(kernel)
    if recorded.kernel.release != here.kernel.release:
        yield Difference("kernel release", recorded.kernel.release, here.kernel.release, "another source")
    if recorded.kernel.config_sha256 != here.kernel.config_sha256:
        yield Difference("kernel config", recorded.kernel.config_sha256, here.kernel.config_sha256, "other options, or another compiler")
    module = cache.file_digest(here.module(targets.TARGETS[recorded.driver.name].module))
    if recorded.driver.module_sha256 != module:
        yield Difference("driver module", recorded.driver.module_sha256, module, "another source, variant, model or compiler")


def _machine(recorded: Recorded, lab: Lab, document: dict[str, Any]) -> Iterator[Difference]:
    """How the machine differs; changes what must be changed in the scenario."""
    environment, here = recorded.run.environment, lab.accelerator
    board = environment.machine != "vm"
    if board:
        yield Difference("machine", environment.machine, "vm", "it ran on a real board and is replayed in the VM: other memory, "
                         "another CPU, and a model in the place of the GPU")
        driver = document["target"]["driver"]
        if "model" not in document["target"] and driver in targets.MODELS:
            document["target"]["model"] = targets.MODELS[driver]
            yield Difference("GPU model", None, targets.MODELS[driver], "the model stands in for the board's GPU")
    if board or environment.accelerator != here.name:
        if not board:
            yield Difference("QEMU's accelerator", environment.accelerator, here.name, "the order of events may be another")
        stretched = max(document["time_scale"], here.time_scale)
        if stretched != document["time_scale"]:
            yield Difference("time scale", document["time_scale"], stretched, "times are stretched to this slower machine")
            document["time_scale"] = stretched
    elif document["time_scale"] != here.time_scale:
        yield Difference("time scale measured", document["time_scale"], here.time_scale, "times stay as recorded")


def prepare(recorded: Recorded, lab: Lab, kernel: str | None, runs: int) -> tuple[Plan, list[Difference]]:
    """The plan that repeats a run so many times, all with its seed, and what is not as it was; builds what must be built.

    Raises UsageError for a kernel that was asked for and does not exist.
    """
    was = recorded.run.environment.kernel.variant or "lab"
    if kernel is None:
        name, differences = nearest_kernel(was)
    else:
        name = kernels.KernelSpec.parse(kernel).name
        differences = [Difference("kernel", was, name, "as asked for")] if name != was else []
    document = copy.deepcopy(recorded.scenario.document)
    document.setdefault("time_scale", recorded.run.environment.time_scale or 1)
    # The same question is asked of whatever kernel it is: outcomes of another kernel are judged by what was expected of the recorded one.
    document["expect"] = {name: recorded.expect} if recorded.expect is not None else {}
    environment = recorded.run.environment
    if kernel is None:
        differences += _take_recorded_kernel(environment, lab, name)
    differences += [*_kernel_differences(environment, lab, name), *_machine(recorded, lab, document)]
    run = recorded.run
    order = tuple(PlannedRun(index, index, run.level, "a", run.scenario.seed) for index in range(runs))
    return Plan("run", Scenario(document), {"a": name}, [run.level], runs, run.scenario.seed, order), differences


def environment_differences(recorded: Environment, again: Environment) -> list[Difference]:
    """What the guest said of itself, where both did."""
    pairs = [(name, getattr(recorded, name), getattr(again, name)) for name in REPORTED]
    return [Difference(name, old, new) for name, old, new in pairs if old is not None and new is not None and old != new]


def _bad_fates(run: Run) -> set[Outcome]:
    return {fate for fate in Outcome if fate is not Outcome.COMPLETED and run.jobs.of(fate)}


def unlike(recorded: Run, again: Run) -> list[str]:
    """Why the second run is not a reproduction of the first, in sentences; empty where it is.

    It is one with the same verdict, the same kinds of fates beside `completed`, and every kind of finding that was not expected. How many
    jobs had a fate, which witness came first and what else was found is shown and decides nothing: it differs between any two runs.
    """
    reasons = []
    if again.status is not recorded.status:
        reasons.append(f"the verdict is {again.status.value}, and was {recorded.status.value}")
    was, came = _bad_fates(recorded), _bad_fates(again)
    reasons += [f"no job {fate.value}" for fate in Outcome if fate in was - came]
    reasons += [f"jobs {fate.value} that did not before" for fate in Outcome if fate in came - was]
    seen = {finding.kind for finding in again.findings}
    missing = dict.fromkeys(f.kind for f in recorded.findings if not f.expected and f.kind not in seen)
    return reasons + [f"no finding {kind}" for kind in missing]


Cell = Callable[[Run], str]


def _rows(runs: Sequence[Run]) -> Iterator[tuple[str, Cell]]:
    """What is shown of each run: a name, and how it is read from a run."""
    yield "verdict", lambda run: f"{run.status.value} ({run.verdict.reason_code})"
    yield "jobs", lambda run: str(run.jobs.submitted)
    for fate in Outcome:
        if any(run.jobs.of(fate) for run in runs):
            yield fate.value, lambda run, fate=fate: str(run.jobs.of(fate))  # type: ignore[misc]
    yield "first witness", lambda run: run.witnesses[0].kind if run.witnesses else "-"
    for signature in dict.fromkeys(finding.signature for run in runs for finding in run.findings):
        yield f"finding {signature}", lambda run, signature=signature: (  # type: ignore[misc]
            next((f"{f.count}{' (expected)' if f.expected else ''}" for f in run.findings if f.signature == signature), "-"))


def table(recorded: Run, again: Sequence[tuple[str, Run]]) -> Table:
    """Both side by side; what is not as it was recorded is marked."""
    shown = Table(title="recorded and replayed", box=None, padding=(0, 1), pad_edge=False)
    for column in ("", "recorded", *(name for name, _ in again)):
        shown.add_column(column, overflow="fold")
    for name, cell in _rows([recorded, *(run for _, run in again)]):
        was = cell(recorded)
        cells = [cell(run) for _, run in again]
        shown.add_row(Text(name), Text(was), *(Text(came) if came == was else Text(f"{came} ≠", "yellow") for came in cells))
    shown.add_row("the same?", "", *("no" if unlike(recorded, run) else "yes" for _, run in again))
    return shown


@dataclass(frozen=True)
class Conclusion:
    """How often it came out the same: a sentence for people, and 0 (at least once), 1 (never) or 3 (no run did its work) for scripts."""

    sentence: str
    exit_code: int


def conclude(recorded: Recorded, again: Sequence[tuple[str, Run]], planned: int, differences: Sequence[Difference],
             directory: Path) -> Conclusion:
    """Hold the replays against the record, and write `directory`/replay.json."""
    reasons = {name: unlike(recorded.run, run) for name, run in again}
    same = sum(not why for why in reasons.values())
    usable = [run for _, run in again if run.status is not Status.ERROR or recorded.run.status is Status.ERROR]
    if not usable:
        sentence, code = "No replay did its work, so nothing is known.", Status.ERROR.exit_code
    elif same:
        low, high = proportion_confint(same, len(usable), alpha=1 - CONFIDENCE, method="beta")
        rate = f" (rate {100 * low:.0f} to {100 * high:.0f} %, 95 % interval of Clopper and Pearson)" if len(usable) > 1 else ""
        sentence, code = f"Reproduced: {same} of {len(usable)} runs came out as recorded{rate}.", 0
    else:
        why = dict.fromkeys(reason for reasons_of_one in reasons.values() for reason in reasons_of_one)
        sentence, code = f"Not reproduced in {len(usable)} runs: {'; '.join(why)}.", 1
    document = {
        "schema": SCHEMA, "recorded": {"scenario": recorded.run.scenario.name, "seed": recorded.run.scenario.seed,
                                       "kernel": recorded.run.environment.kernel.variant, **_summary(recorded.run)},
        "differences": [asdict(difference) for difference in differences], "planned": planned, "same": same,
        "runs": [{"run": name, "unlike": reasons[name], **_summary(run)} for name, run in again], "exit_code": code}
    validate(document, "replay", str(directory / "replay.json"), BadRunDirectory)
    write_json(directory / "replay.json", document)
    return Conclusion(sentence, code)


def _summary(run: Run) -> dict[str, Any]:
    return {"status": run.status.value, "jobs": vars(run.jobs), "first_witness": run.witnesses[0].kind if run.witnesses else None,
            "findings": {finding.signature: finding.count for finding in run.findings}}


def runs_in(directory: Path, plan: Plan) -> list[tuple[str, Run]]:
    """The runs of a plan that were carried out, by the names of their directories."""
    return [(run.directory, outcomes.load_run(directory / run.directory)) for run in plan.order
            if (directory / run.directory / "run.json").exists()]
