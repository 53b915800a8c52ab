# SPDX-License-Identifier: MIT
"""The judge: from the facts in a run directory to run.json. It reads nothing but that directory."""

import errno
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from drmsqueeze_results import fates, findings, job_times, latency, lockdep, wait_chain, who_waits, witnesses
from drmsqueeze_results.documents import from_plain, read_json, to_plain, validate, write_json
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.facts import Ended, RunData, read_run
from drmsqueeze_results.findings import Expectation, Found
from drmsqueeze_results.kernel_log import BlockedTask, Match, blocked_tasks, scan
from drmsqueeze_results.kernel_rules import Severity
from drmsqueeze_results.model import (Environment, Injection, Outcome, PhaseResult, Pressure, Run, Stall, Status,
                                      StressorReport, Verdict, Witness)

PSI_SCALE = 100  # the recorder has whole numbers only: hundredths of a percent
CONSOLE_TAIL_LINES = 3
MOST_FORGOTTEN = 3  # clients whose wake-up was lost that are shown; the others' jobs are counted like any

# What the agent says with its last word when the target lacks something, before it has submitted anything.
SKIPS = {
    errno.ENODEV: "target-missing",
    errno.EOPNOTSUPP: "unsupported",
    errno.ERANGE: "level-out-of-reach",
}
# Injectors that hold something and have no event to count; and traps, which are held against the kernel log as well.
UNCOUNTED = frozenset({"hog", "trap"})


@dataclass(frozen=True)
class _Case:
    """All that a check may look at."""

    data: RunData
    fates: fates.Fates
    matches: Sequence[Match]
    witnesses: Sequence[Witness]
    found: Sequence[Found]
    injections: Sequence[Injection]
    expectation: Expectation


Check = Callable[[_Case], Iterator[tuple[Status, str, str]]]


def _infrastructure(case: _Case) -> Iterator[tuple[Status, str, str]]:
    facts = case.data.facts
    if facts.infrastructure_error:
        yield Status.ERROR, "infrastructure", facts.infrastructure_error
    if facts.machine.ended is Ended.BOOT_TIMEOUT:
        tail = " | ".join(line.text for line in case.data.console[-CONSOLE_TAIL_LINES:]) or "(nothing)"
        yield Status.ERROR, "boot-timeout", f"The machine did not come up. Its console ends with: {tail}"
    if facts.machine.ended is Ended.POWEROFF_WITHOUT_BYE:
        yield Status.ERROR, "agent-died", "The machine powered off and the agent had not said goodbye."
    if facts.machine.ended is Ended.KILLED and not case.expectation.names(Outcome.LOST.value):
        yield Status.ERROR, "machine-killed", "The machine was killed before the run had ended."
    if facts.machine.ended is Ended.LINK_LOST:
        yield Status.ERROR, "link-lost", "Neither ssh nor a console brought word of the machine any more: what became of the run is not known."
    if facts.machine.ended is Ended.HARNESS_KILLED:
        yield Status.ERROR, "harness-killed", "The harness was killed or stopped in the middle of the run: its records tell what it knew by then."
    if facts.machine.ended is Ended.REBOOTED and not witnesses.hang_seen(case.witnesses):
        yield Status.ERROR, "machine-rebooted", "The machine came back with another boot id in the middle of the run, and nothing says why."
    if facts.machine.ended is Ended.TIME_LIMIT and not witnesses.hang_seen(case.witnesses):
        yield Status.ERROR, "time-limit", "The run's time was over; nothing had witnessed a hang."
    if facts.bye and facts.bye.code:
        name = errno.errorcode.get(facts.bye.code, str(facts.bye.code))
        yield Status.ERROR, "agent-error", f"The agent gave up: {facts.bye.reason} ({name})."


def _records(case: _Case) -> Iterator[tuple[Status, str, str]]:
    missing = case.fates.unaccounted
    if missing:
        few = f"{missing} jobs have an intent and no record" if missing > 0 else f"{-missing} jobs have no intent"
        yield Status.ERROR, "records-inconsistent", f"The run's records contradict each other: {few}."
    if case.data.facts.machine.ended is Ended.BYE:
        for sentence in case.data.damaged:
            yield Status.ERROR, "records-damaged", f"The run ended well, but {sentence}."
    for fate in case.fates.others:
        if fate.record and fate.record.fate is None and case.data.facts.machine.ended is Ended.BYE and (
                "client was killed" not in fate.reason):
            yield Status.ERROR, "records-incomplete", f"Job {fate.record.job}: {fate.reason}."


def _never_fired(case: _Case) -> Iterator[tuple[Status, str, str]]:
    """Counts are final only when the agent has said goodbye; a trap must have shown itself in any case."""
    facts = case.data.facts
    reported = {i.injector for i in case.injections}
    if facts.machine.ended is Ended.BYE and facts.jobs.intents:
        for injection in case.injections:
            if injection.fired == 0 and injection.injector not in UNCOUNTED:
                name = injection.settings.get("fault", injection.injector)
                yield Status.ERROR, "never-fired", f"The injection {name} never fired."
        for wanted in case.data.scenario.get("injectors", ()):
            idle = wanted["kind"] == "hog" and facts.level >= 1
            if wanted["kind"] not in reported and not idle:
                yield Status.ERROR, "injection-unreported", f"The injection {wanted['kind']} was never reported on."
    for witness in facts.witnesses:
        if witness.kind == "trap-not-fired":
            yield Status.ERROR, "never-fired", f"What was planted never fired: {witness.text or 'it'}."
    if facts.jobs.intents:
        for trap in (entry["trap"] for entry in case.data.scenario.get("traps", ())):
            if not any(_is_about(i, trap) and i.fired for i in case.injections):
                yield Status.ERROR, "never-fired", f"The trap {trap} never fired: nothing shows that it did."


def _hog(case: _Case) -> Iterator[tuple[Status, str, str]]:
    for found in case.found:
        kind = found.finding.kind
        if kind in (findings.HOG_KILLED, findings.INJECTOR_KILLED, "oom-kill-hog", "oom-kill-agent") and not found.finding.expected:
            who = next((who for who in ("agent", "injector") if who in kind), "hog")
            lost = "its eyes" if who == "agent" else "its pressure"
            code = {"agent": "agent-killed", "injector": "injector-killed", "hog": "hog-killed"}[who]
            yield Status.ERROR, code, f"The {who} was killed, and the run lost {lost}."


def _counts_of_stressors(data: RunData) -> dict[str, int]:
    """Of each count the most that a stressor tells: each has seen the whole machine."""
    return {name: max(count for report in data.stressors if isinstance(count := (report.get("counts") or {}).get(name, 0), int))
            for name in findings.COUNTS if data.stressors}


def _expected(case: _Case) -> Iterator[tuple[Status, str, str]]:
    counts, expectation = case.fates.counts, case.expectation
    for name in expectation.unknown:
        yield Status.ERROR, "expectation-unknown", f"The scenario expects {name!r}, which is no outcome, no finding and no count."
    seen = _counts_of_stressors(case.data) | {outcome.value: counts.of(outcome) for outcome in Outcome}
    for found in case.found:
        seen[found.finding.kind] = seen.get(found.finding.kind, 0) + found.finding.count
    for name, (least, most) in (expectation.ranges or {}).items():
        got = seen.get(name, 0)
        if got < (least or 0) or (most is not None and got > most):
            wanted = f"{least or 0} to {'any number' if most is None else most}"
            code = ("unexpected-outcome" if name in Outcome._value2member_map_ else
                    "unexpected-count" if name in findings.COUNTS else "unexpected-finding")
            yield Status.FAIL, code, f"{name}: {got} seen, {wanted} expected."
    if expectation.ranges is None:
        for outcome in Outcome:
            if outcome is not Outcome.COMPLETED and counts.of(outcome):
                yield (Status.FAIL, "unexpected-outcome",
                       f"{outcome.value}: {counts.of(outcome)} of {counts.submitted} jobs, none expected.")


def _phases_expected(case: _Case) -> Iterator[tuple[Status, str, str]]:
    wanted = case.data.scenario.get("phases", ())
    for phase in case.data.facts.phases:
        if not 0 <= phase.index < len(wanted):
            continue  # the scenario was lost, which is told
        counts = case.fates.of_phase(case.data, phase.index)
        for name, (least, most) in wanted[phase.index].get("expect", {}).items():
            got = counts.of(Outcome(name))
            if got < least or (most is not None and got > most):
                yield (Status.FAIL, "unexpected-outcome", f"Phase {phase.index + 1} ({phase.kind}): {name}: {got} seen, "
                       f"{least} to {'any number' if most is None else most} expected.")


def _found(case: _Case) -> Iterator[tuple[Status, str, str]]:
    for found in case.found:
        if found.severity is Severity.ERROR and not found.finding.expected:
            yield (Status.FAIL, "unexpected-finding",
                   f"Not expected: {found.finding.signature} (seen {found.finding.count} times).")


def _did_nothing(case: _Case) -> Iterator[tuple[Status, str, str]]:
    if not case.data.facts.jobs.intents:
        yield Status.ERROR, "no-jobs", "Nothing was submitted."


CHECKS: tuple[Check, ...] = (_infrastructure, _records, _never_fired, _hog, _did_nothing, _expected, _phases_expected, _found)


def _verdict(case: _Case) -> Verdict:
    """The worst answer of all checks; where the test could not do its work, what it saw is told and decides nothing."""
    bye = case.data.facts.bye
    # A driver that is missing behind our own model is no property of the target: the lab is broken.
    broken_lab = bye is not None and bye.code == errno.ENODEV and case.data.facts.driver.model is not None
    if bye and bye.code in SKIPS and not case.data.facts.jobs.intents and not broken_lab:
        return Verdict(Status.SKIP, SKIPS[bye.code], (bye.reason,))
    answers = [answer for check in CHECKS for answer in check(case)]
    if not answers:
        return Verdict(Status.PASS, "ok", ())
    worst = next(s for s in (Status.ERROR, Status.FAIL) if any(status is s for status, _, _ in answers))
    answers.sort(key=lambda answer: answer[0] is not worst)
    return Verdict(worst, answers[0][1], tuple(dict.fromkeys(sentence for _, _, sentence in answers)))


def _is_about(injection: Injection, name: str) -> bool:
    """Whether an entry of injections.json is about the trap `name`, however the agent files it."""
    return name in injection.injector or name in injection.settings.values()


def _injections(data: RunData, matches: Sequence[Match]) -> tuple[Injection, ...]:
    """What was injected and how often it fired.

    Counts that nobody could read again after the machine had died say "at least": a zero among them is no count. A trap
    says in the kernel log that it has fired.
    """
    if data.injections is None:
        scenario = data.scenario
        listed = [Injection(entry["kind"], entry, None) for entry in scenario.get("injectors", ())]
        listed += [Injection("model-fault", entry, None) for entry in scenario.get("model_faults", ())]
        listed += [Injection("trap", entry, None) for entry in scenario.get("traps", ())]
    else:
        listed = [from_plain(Injection, {"settings": {}, "fired": None} | dict(entry)) for entry in data.injections]
    final = data.facts.machine.ended is Ended.BYE
    planted = [m.signature.partition(": ")[2] for m in matches if m.kind == "trap"]
    result = []
    for injection in listed:
        said = sum(_is_about(injection, trap) for trap in planted)
        fired = max(injection.fired or 0, said)
        known = injection.fired if final else fired or None
        result.append(replace(injection, fired=max(known or 0, said) if said else known))
    return tuple(result)


def _restored(data: RunData) -> bool | str:
    if any(i.get("restored") is False for i in data.injections or ()):
        return False
    if data.facts.release is None or data.facts.release.restored is None:
        return "unknown"
    return data.facts.release.restored


def _environment(data: RunData) -> Environment:
    facts, seen = data.facts, data.environment
    return Environment(
        machine=facts.machine.kind, accelerator=facts.machine.accelerator, kernel=facts.kernel, driver=facts.driver,
        time_scale=facts.time_scale, snapshot=facts.snapshot, recorded=facts.machine.recorded, slowdown=facts.machine.slowdown,
        more_ram_mib=facts.machine.more_ram_mib, beside=facts.machine.beside,
        **{name: seen.get(name) for name in ("ram_kib", "swap", "min_free_kib", "swappiness", "thp", "mglru",
                                             "preemption", "hz")})


def psi_percent(samples: Sequence[Mapping[str, float]]) -> float | None:
    """Percent of the time between the first and the last sample in which some task waited for memory."""
    known = [(sample["t_s"], sample["psi_some_total_us"]) for sample in samples if "psi_some_total_us" in sample]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    return (known[-1][1] - known[0][1]) / 1e4 / (known[-1][0] - known[0][0])


def _pressure(data: RunData) -> Pressure:
    def values(name: str) -> list[float]:
        return [sample[name] for sample in data.samples if name in sample]

    psi, available = values("psi_some_avg10"), values("mem_available_kib")
    stalled = psi_percent(data.samples)
    return Pressure(data.facts.level, max(psi) / PSI_SCALE if psi else None,
                    int(min(available)) if available else None, round(stalled, 2) if stalled is not None else None)


def _phases(data: RunData, decided: fates.Fates) -> tuple[PhaseResult, ...]:
    return tuple(
        PhaseResult(phase.index, phase.kind, phase.begun_s, decided.of_phase(data, phase.index),
                    latency.summarise([c for c in data.completed if c.phase == phase.index]))
        for phase in data.facts.phases)


def _stalls(data: RunData, decided: fates.Fates) -> tuple[Stall, ...]:
    def seconds(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return tuple(
        Stall(record.job, seconds(record.latency_ns / 1e9 if record.latency_ns is not None else None), seconds(fates.after_release_s(data, record)))
        for record in (fate.record for fate in decided.others if fate.outcome is Outcome.STALLED) if record)


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on, for reports."""

    run: Run
    data: RunData
    fates: fates.Fates
    blocked: tuple[BlockedTask, ...]
    chains: tuple[wait_chain.Chain, ...]


def _chains(data: RunData, decided: fates.Fates, blocked: Sequence[BlockedTask]) -> tuple[wait_chain.Chain, ...]:
    """Who waits for whom, from the console and, where the machine's own user space could still read it, from evidence/."""
    files = [data.directory / "evidence" / name for name in ("dma-buf-bufinfo.txt", "who-waits.txt")]
    lines = [line for file in files if file.exists() for line in file.read_text(errors="replace").splitlines()]
    table = who_waits.read([*lines, *(line.text for line in data.console)], lockdep.held_locks(data.console), wait_chain.waits_for_lock(blocked))
    forgotten = [fate.record for fate in decided.others if fate.record and fate.reason == fates.LOST_WAKEUP]
    return *wait_chain.chains(blocked, table), *(wait_chain.lost_wakeup(f"the client of job {record.job} ({record.stressor})")
                                                 for record in forgotten[:MOST_FORGOTTEN])


def consider(run_dir: Path) -> Judgement:
    """Judge the facts in `run_dir` and write nothing. Raises BadRunDirectory where there is nothing to judge."""
    data = read_run(run_dir)
    matches = scan(data.console)
    blocked = tuple(blocked_tasks(data.console))
    signs = witnesses.gather(data, matches, blocked)
    decided = fates.decide(data, matches, signs)
    expectation = Expectation(data.facts.expect)
    restored = _restored(data)
    found = findings.gather(data, matches, signs, restored, expectation)
    injections = _injections(data, matches)
    case = _Case(data, decided, matches, signs, found, injections, expectation)
    facts = data.facts
    run = Run(
        verdict=_verdict(case), scenario=facts.scenario, level=facts.level, arm=facts.arm, index=facts.index,
        block=facts.block, environment=_environment(data), jobs=decided.counts,
        latency_ns=latency.summarise(data.completed), errnos=decided.errnos, injections=injections,
        pressure=_pressure(data), findings=tuple(f.finding for f in found), witnesses=signs, restored=restored,
        timing_s=facts.timing_s, phases=_phases(data, decided), first_witness=witnesses.first(signs), stalls=_stalls(data, decided),
        stressors=tuple(from_plain(StressorReport, report) for report in data.stressors),
        lockdep=lockdep.verdict(data.console, data.environment),
        leaks=data.leaks, started=facts.started, rate_hz=facts.rate_hz,
        times=job_times.tell(data, decided.others, [f.finding for f in found]))
    return Judgement(run, data, decided, blocked, _chains(data, decided, blocked))


def run_document(run: Run) -> Mapping[str, Any]:
    """`run` as the contents of run.json."""
    plain = to_plain(run)
    return {"schema": plain.pop("schema"), **plain}


def conclude(run_dir: Path) -> Judgement:
    """Judge the facts in `run_dir`, write run.json there, and the stacks of blocked tasks into evidence/.

    Raises BadRunDirectory where facts.json is missing or not in its format. Judging again gives the same file.
    """
    judgement = consider(run_dir)
    document = run_document(judgement.run)
    validate(document, "run", str(run_dir / "run.json"), BadRunDirectory)
    if judgement.blocked:
        (run_dir / "evidence").mkdir(exist_ok=True)
        write_json(run_dir / "evidence" / "blocked-tasks.json",
                   {"schema": "drmsqueeze.blocked-tasks/1", "tasks": to_plain(judgement.blocked),
                    "chains": [{"closed": chain.closed, "text": wait_chain.describe(chain)} for chain in judgement.chains]})
    write_json(run_dir / "run.json", document)
    return judgement


def judge(run_dir: Path) -> Run:
    """What `conclude` comes to."""
    return conclude(run_dir).run


def load_run(run_dir: Path) -> Run:
    """The verdict in `run_dir`/run.json. Raises BadRunDirectory where it is missing or not in its format."""
    path = run_dir / "run.json"
    document = read_json(path, BadRunDirectory)
    validate(document, "run", str(path), BadRunDirectory)
    return from_plain(Run, document)
