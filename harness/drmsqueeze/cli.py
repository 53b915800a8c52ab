# SPDX-License-Identifier: MIT
"""The command line."""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results import anytime, comparison, lockdep_views, outcomes, report
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.kernel_rules import RULES
from drmsqueeze_results.model import Run, Status
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from drmsqueeze import (
    TOP,
    arms,
    bundle,
    doctor,
    exact,
    execute,
    foresight,
    guest,
    history_command,
    kernels,
    lava_command,
    minimize,
    nightly_command,
    plan,
    progress,
    pytest_command,
    pytest_plugin,
    replay,
    report_command,
    result_items,
    scenario,
    selftest,
    targets,
    timings,
    user_kernels,
)
from drmsqueeze.arms import Arm
from drmsqueeze.campaign import command as campaign_command
from drmsqueeze.errors import DrmsqueezeError, InfrastructureError, UsageError
from drmsqueeze.machines import service, sites, vm
from drmsqueeze.machines.machine import Site
from drmsqueeze.results_data import new_directory

# From best to worst: the exit code of many runs is that of the worst.
WORSE = (Status.PASS, Status.SKIP, Status.FAIL, Status.ERROR)
DEMO_SCENARIO = TOP / "configs" / "panfrost-heap.json"
DEMO_TRAP = TOP / "configs" / "traps" / "shrinker-waits-for-fence.json"
DEMO_KERNELS = ("lab", "lab+panfrost-nowait")

out = Console(soft_wrap=True, highlight=False)
WIDEST = 400  # of a table, in letters


class _Progress:
    """Shows how far a pytest session has come."""

    def __init__(self, shown: progress.Step) -> None:
        self._shown = shown

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._shown.advance(0, nodeid.replace("::", " "))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._shown.advance(1, nodeid.replace("::", " "))


def _prepare_lab(plans: Sequence[plan.Plan], lab: execute.Lab) -> int:
    """Build what the plans need in the VM, say what kind of machine that is, and return how many runs go side by side."""
    wanted = dict.fromkeys(kernel for one in plans for kernel, _ in one.of_each_arm)
    for kernel in wanted:
        lab.guest(kernel)
    machine = lab.accelerator
    progress.say(f"machine: vm on {machine.name}, {machine.time_scale:g} times slower than this host")
    slower = {kernels.KernelSpec.parse(kernel).base: lab.slowdown(kernel) for kernel in wanted}
    for base, times in slower.items():
        if times > 1:
            progress.say(f"kernel {base}: {times:g} times slower than lab, and its times are stretched by that")
    at_once = min((lab.at_once(one.scenario, [kernel for kernel, _ in one.of_each_arm]) for one in plans if one.purpose == "compare"),
                  key=lambda found: found.guests, default=None)
    if at_once:
        progress.say(f"guests at once: {at_once.guests} ({at_once.why})")
    return at_once.guests if at_once else 1


def carry_out(plan_files: Sequence[Path], site: Site, junit: Path, title: str) -> None:
    """Carry out plans under pytest, with progress. Outcomes are in the run directories afterwards."""
    plans = [plan.Plan.load(path) for path in plan_files]
    for one in plans:
        for kernel, of_arm in one.of_each_arm:
            site.refuse(kernel, of_arm)
    if isinstance(site, execute.Lab):
        at_once = _prepare_lab(plans, site)
    else:
        progress.say(f"machine: {site.name}")
        at_once = 1

    class Session:
        def pytest_configure(self, config: pytest.Config) -> None:
            config.stash[pytest_plugin.LAB] = site
            config.stash[pytest_plugin.AT_ONCE] = at_once

    began = time.monotonic()
    with progress.step(title, sum(len(one.order) for one in plans)) as shown:
        status = result_items.session(["-p", "drmsqueeze.pytest_plugin", f"--rootdir={junit.parent}", f"--junitxml={junit}", *map(str, plan_files)],
                                      [Session(), _Progress(shown)])
    if len(plans) == 1:  # of several it is not known which took how long
        done = list(pytest_plugin.runs_directory(plan_files[0], plans[0]).glob("*/run.json"))
        timings.note(plans[0].scenario, len(done), time.monotonic() - began)
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise InfrastructureError(f"pytest ended with status {status!r}; see {junit}")


def _runs_of(plan_file: Path) -> list[Run]:
    planned = plan.Plan.load(plan_file)
    directory = pytest_plugin.runs_directory(plan_file, planned)
    return [outcomes.load_run(directory / run.directory) for run in planned.standing
            if (directory / run.directory / "run.json").exists()]


def _worst(runs: Sequence[Run], planned: int) -> int:
    if len(runs) < planned:
        return Status.ERROR.exit_code
    return max((run.status for run in runs), key=WORSE.index).exit_code


def _runs_table(runs: Sequence[tuple[str, Run]]) -> Table:
    table = Table(title="runs", box=None, padding=(0, 1), pad_edge=False)
    for column in ("run", "kernel", "left", "verdict", "jobs and reasons"):
        table.add_column(column, no_wrap=column == "run")  # a name in two pieces is not found by a search
    for name, run in runs:
        fates = ", ".join(f"{count} {fate}" for fate, count in vars(run.jobs).items() if count and fate != "submitted")
        table.add_row(name, run.environment.kernel.variant, f"{100 * run.level:g} %", run.status.value,
                      "; ".join([fates or "none", *run.verdict.reasons]))
    return table


def _do_board(args: argparse.Namespace) -> int:
    """Whether a board can be used, or what runs have left on it put back."""
    site = sites.kept(args.machine)
    look = site.restore() if args.what == "restore" else site.check()
    left = ", with knobs that a run left turned" if look.journal and args.what == "check" else ""
    out.print(f"{site.name}: {look.release} on {look.architecture}, a test target{left}", markup=False)
    return 0


def _do_run(args: argparse.Namespace) -> int:
    scenarios = [scenario.load(path) for path in args.configs]
    names = [one.name for one in scenarios]
    if len(set(names)) != len(names):
        raise UsageError("two of these scenarios have the same name: " + ", ".join(names))
    site = sites.site(args.machine)
    kernel = args.kernel or sites.default_kernel(args.machine)
    for one in scenarios:
        site.refuse(kernel, one)
    if args.record:
        if not isinstance(site, execute.Lab):
            raise UsageError("--record is QEMU's: a board cannot be recorded")
        site.record = True
        for one in scenarios:
            for line in exact.restrictions(one):
                progress.say(line)
    directory = new_directory(args.out, "run")
    plan_files = []
    for one in scenarios:
        path = directory / one.name / "plan.json"
        plan.make("run", one, [kernel], args.runs, args.seed).write(path)
        plan_files.append(path)
    carry_out(plan_files, site, directory / "junit.xml", "runs")
    return _conclude_runs(directory, plan_files)


def _conclude_runs(directory: Path, plan_files: Sequence[Path]) -> int:
    planned = sum(len(plan.Plan.load(path).order) for path in plan_files)
    runs = [(f"{path.parent.name}/{run.index:04d}", run) for path in plan_files for run in _runs_of(path)]
    code = _worst([run for _, run in runs], planned)
    (directory / "summary.json").write_text(json.dumps({
        "schema": "drmsqueeze.summary/1", "exit_code": code, "planned": planned,
        "runs": [{"run": name, "status": run.status.value, "reason_code": run.verdict.reason_code,
                  "reasons": list(run.verdict.reasons), "jobs": vars(run.jobs)} for name, run in runs]}, indent=1) + "\n")
    out.print(_runs_table(runs))
    report.write_report(directory)
    out.print(directory, markup=False)
    return code


def _arms(args: argparse.Namespace, one: scenario.Scenario) -> list[str]:
    """The kernels of a comparison, the baseline first. Raises UsageError."""
    compared = [args.a, args.b, *args.arm]
    for arm in map(Arm.parse, compared):
        kernels.KernelSpec.parse(arm.kernel)
        arm.of(one)
    twice = sorted({kernel for kernel in compared if compared.count(kernel) > 1})
    if twice:
        raise UsageError(f"two arms are `{twice[0]}`")
    return compared


def _what_until_sure_can_say(planned: plan.Plan) -> str:
    """What the most runs of a sequential plan are good for, before the first of them."""
    margin = planned.design.margin or 0.0
    needed = anytime.rounds_for_margin(margin, plan.ALPHA)
    most = f"at most {planned.runs} rounds of {planned.conditions} runs of each kernel; a difference ends it as soon as it is beyond chance"
    if needed is None or needed > planned.runs:
        return (f"{most}. That the kernels do not differ by more than {100 * margin:g} percentage points cannot be shown with so few: "
                f"that takes {needed or 'too many'} rounds at the least (--most-runs {(needed or 0) * planned.conditions}, or a wider --margin)")
    return f"{most}, and so does that it is within {100 * margin:g} percentage points, after {needed} rounds at the earliest"


def _do_compare(args: argparse.Namespace) -> int:
    one = scenario.load(args.config)
    compared = _arms(args, one)
    if args.plan:
        for line in foresight.lines(one, compared, args.runs, args.difference, args.power, foresight.assumptions(args.earlier),
                                    args.most_runs or plan.MOST_RUNS, args.margin or plan.MARGIN, args.cold):
            out.print(line, markup=False)
        return 0
    if args.until_sure:
        if args.runs:
            raise UsageError("--runs fixes how many runs there are, --until-sure lets them decide: give one (--most-runs bounds the other)")
        planned = plan.make_sequential(one, compared, args.seed, most_runs=args.most_runs or plan.MOST_RUNS,
                                       margin=args.margin or plan.MARGIN, cold=args.cold)
        progress.say(_what_until_sure_can_say(planned))
    else:
        if args.most_runs or args.margin:
            raise UsageError("--most-runs and --margin are for --until-sure")
        planned = plan.make("compare", one, compared, args.runs, args.seed, cold=args.cold)
    directory = new_directory(args.out, "compare")
    planned.write(directory / "plan.json")
    carry_out([directory / "plan.json"], execute.Lab(), directory / "junit.xml", f"{one.name}: {' against '.join(compared)}")
    return _conclude_comparison(directory, args.markdown)


def _print_table(table: Table) -> None:
    """As wide as it must be: in a log, and on a narrow terminal, a long line reads better than cells of three letters."""
    needed = Measurement.get(out, out.options.update(width=WIDEST), table).maximum
    Console(width=max(out.width, needed), highlight=False).print(table)


def _conclude_comparison(directory: Path, markdown: bool = False) -> int:
    result = comparison.compare(directory)
    report.write_report(directory)
    if markdown:
        report_command.print_markdown(directory)
        return 0 if result.carried_out else 3
    _print_table(report.summary_table(result))
    out.print(result.verdict.sentence, markup=False)
    if views := lockdep_views.of_comparison(result):
        out.print(lockdep_views.sentence(views), markup=False)
    out.print(directory, markup=False)
    return 0 if result.carried_out else 3


def _do_demo(args: argparse.Namespace) -> int:
    directory = new_directory(args.out, "demo")
    comparison_plan, trap_plan = directory / "plan.json", directory / "trap" / "plan.json"
    plan.make("compare", scenario.load(DEMO_SCENARIO), DEMO_KERNELS).write(comparison_plan)
    plan.make("run", scenario.load(DEMO_TRAP), DEMO_KERNELS, runs=1).write(trap_plan)
    carry_out([comparison_plan, trap_plan], execute.Lab(), directory / "junit.xml", "demo")
    trap = _runs_of(trap_plan)
    result = comparison.compare(directory)
    report.write_report(directory)
    _print_table(report.summary_table(result))
    out.print(_runs_table([(f"trap/{run.index:04d}", run) for run in trap]))
    out.print(result.verdict.sentence, markup=False)
    out.print(f"report: {directory / 'report.html'}", markup=False)
    out.print(directory, markup=False)
    expected = [_worst(trap, len(DEMO_KERNELS)), _worst(_runs_of(comparison_plan), len(plan.Plan.load(comparison_plan).standing))]
    return max(0 if result.carried_out else 3, *expected)


def _do_replay(args: argparse.Namespace) -> int:
    """Carry out a recorded run again, and hold what comes out against what is recorded."""
    if args.exact:
        return _do_exact_replay(args)
    if args.gdb or args.gdb_command or args.at is not None:
        raise UsageError("--gdb, --gdb-command and --at are for replays with --exact")
    directory = new_directory(args.out, "replay")
    recorded = replay.load(args.source, directory)
    lab = execute.Lab()
    planned, differences = replay.prepare(recorded, lab, args.kernel, args.runs)
    for difference in differences:
        progress.say(f"not as recorded: {difference.sentence}")
    plan_file = directory / planned.scenario.name / "plan.json"
    planned.write(plan_file)
    carry_out([plan_file], lab, directory / "junit.xml", "replay")
    again = replay.runs_in(plan_file.parent, planned)
    if again:
        differences += replay.environment_differences(recorded.run.environment, again[0][1].environment)
        report.write_report(directory)
    conclusion = replay.conclude(recorded, again, len(planned.order), differences, directory)
    out.print(replay.table(recorded.run, again))
    for difference in differences:
        out.print(f"not as recorded: {difference.sentence}", markup=False)
    out.print(conclusion.sentence, markup=False)
    out.print(directory, markup=False)
    return conclusion.exit_code


def _do_minimize(args: argparse.Namespace) -> int:
    """Make a scenario smaller while something still shows; the same command takes an interrupted search up again."""
    kernel = kernels.KernelSpec.parse(args.kernel).name
    planned = minimize.Plan(scenario.load(args.config), minimize.Until.parse(args.until), kernel, args.trials, args.max_runs)
    lab = execute.Lab()
    lab.refuse(kernel, planned.scenario)
    directory = args.out if args.out and minimize.resumable(args.out, planned) else new_directory(args.out, "minimize")
    lab.guest(kernel)
    progress.say(f"machine: vm on {lab.accelerator.name}; what is found is in {directory / minimize.MINIMAL} at any time")

    def carry_out_trial(one: scenario.Scenario, number: int, place: Path) -> minimize.Trial:
        execute.execute(lab, one, plan.PlannedRun(number, number, one["levels"][0], "a", one["seed"]), kernel, place)
        return minimize.judged(outcomes.judge(place), planned.until)

    with progress.step(f"minimising {planned.scenario.name}", args.max_runs) as shown:
        search = minimize.Search(planned, directory, carry_out_trial, lambda note: shown.advance(1, note))
        try:
            result = search.run()
        except KeyboardInterrupt:
            progress.say(f"interrupted: {search.result.sentence} The same command with --out {directory} goes on.")
            raise
    if result.rule:
        out.print(result.rule.sentence, markup=False)
    out.print(result.sentence, markup=False)
    if result.state == "not-reproduced":
        out.print(directory, markup=False)
        return 1
    out.print((directory / minimize.MINIMAL).read_text(), markup=False, end="")
    out.print(directory, markup=False)
    return 0


def _do_bundle(args: argparse.Namespace) -> int:
    made = bundle.make(args.directory, args.out)
    for name in made.left_out:
        progress.say(f"left out: {name}")
    if made.changes_scenario:
        progress.say("scenario.json names this machine or its paths; what was put in their place is executed by a replay")
    if not made.judged_alike:
        progress.say("with these names taken out the run is judged otherwise: look into the bundle before you send it")
    out.print(made.file, markup=False)
    return 0


def _do_exact_replay(args: argparse.Namespace) -> int:
    """Execute a recorded run again, instruction for instruction; stop it under gdb where that is asked for."""
    if args.source.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            return _replay_exactly(bundle.unpack(args.source, Path(scratch) / "run"), args)
    return _replay_exactly(args.source, args)


def _replay_exactly(run: Path, args: argparse.Namespace) -> int:
    with exact.Replay(run) as replayed:
        stops = args.gdb or args.gdb_command or args.at is not None
        witnesses = replayed.recording.witnesses
        if stops:
            if args.at is None and not witnesses:
                raise UsageError(f"{run}: nothing witnessed a hang in this run: name the instruction to stop at (--at)")
            at = args.at if args.at is not None else witnesses[0].instructions
            replayed.run_to(at)
            out.print(f"stopped at instruction {replayed.instructions}"
                      + ("" if args.at is not None else f": {witnesses[0].kind} {witnesses[0].detail}".rstrip()), markup=False)
        if args.gdb_command:
            out.print(exact.gdb(replayed, args.gdb_command), markup=False)
        if args.gdb:
            exact.gdb(replayed)
            return 0
        replayed.run_to_end()
        unlike = replayed.unlike()
        out.print(f"not as recorded: {' and '.join(unlike)}; QEMU said: {replayed.complaint() or 'nothing'}" if unlike else
                  "the agent's records and the console are those of the recording, byte for byte", markup=False)
        return InfrastructureError.exit_code if unlike else 0


def _do_list(args: argparse.Namespace) -> int:
    def configs() -> list[tuple[str, str]]:
        files = sorted((TOP / "configs").rglob("*.json"))
        return [(str(f.relative_to(TOP)), scenario.load(f)["description"]) for f in files if f != scenario.SCHEMA]

    def kinds(part: str) -> list[tuple[str, str]]:
        schema = json.loads(scenario.SCHEMA.read_text())
        return [(kind, schema["$defs"][kind]["description"]) for kind in schema["properties"][part]["items"]["properties"]["kind"]["enum"]]

    def kernel_list() -> list[tuple[str, str]]:
        built = {name: "in the cache" if kernels.lab_kernel_built(name) else f"not built yet: `drmsqueeze lab build {name}`"
                 for name in kernels.bases()}
        return [*((name, "; ".join([base.description, built[name], *base.differences()])) for name, base in kernels.bases().items()),
                *((f"lab+{name}", description) for name, description in kernels.describe_variants())]

    tables: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "configs": configs, "stressors": lambda: kinds("stressors"), "injectors": lambda: kinds("injectors"),
        "kernels": kernel_list, "machines": lambda: list(sites.DESCRIPTIONS.items()),
        "rules": lambda: [(rule.name, rule.describe()) for rule in RULES],
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, overflow="ignore")
    table.add_column(overflow="fold")
    for name, description in tables[args.what]():
        table.add_row(name, description)
    out.print(table)
    return 0


def _do_restore(args: argparse.Namespace) -> int:
    """Only a machine that was a target itself has a journal: guests are thrown away, and boards have `board restore`."""
    asked = [args.journal] if args.journal else sites.JOURNALS
    found = [path for path in asked if path.exists()]
    if not found:
        out.print(f"{' and '.join(map(str, asked))}: nothing to put back", markup=False)
    codes = [0]
    if found:
        agent = guest.build_for_boards(os.uname().machine) / guest.AGENT
        codes += [subprocess.run([agent, "--restore", "--journal", path]).returncode for path in found]
    if why := service.why_out(sites.LOCAL):
        out.print(f"this machine is out of service: {why}; `drmsqueeze board restore local` puts it back", markup=False)
    return max(codes, key=abs)


def _do_lab_build(args: argparse.Namespace) -> int:
    out.print(execute.Lab().guest(args.kernel).kernel.image, markup=False)
    return 0


def _do_lab_add(args: argparse.Namespace) -> int:
    kind, path = next((kind, vars(args)[kind]) for kind in user_kernels.RELEASES if vars(args)[kind])
    added = user_kernels.add(args.name, kind, path, kernels.BASES)
    out.print(f"{added.name}: {added.description}", markup=False)
    if kind == "build":
        without = user_kernels.left_out(kernels.bases()[added.name].asked(), (added.path / ".config").read_text())
        if without:
            out.print(f"without, of what the lab's kernels have: {', '.join(without)}", markup=False)
    return 0


def _do_lab_remove(args: argparse.Namespace) -> int:
    user_kernels.remove(args.name)
    return 0


def _do_lab_boot(args: argparse.Namespace) -> int:
    lab = execute.Lab()
    modules = targets.modules({"driver": "panfrost", "model": "mali-jm"}, [])
    booted = lab.guest(args.kernel)
    return vm.shell(booted, lab.accelerator.name, booted.loadable(modules))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="drmsqueeze", description="Memory pressure and fault injection for Linux GPU drivers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], int], text: str, **how: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, **how)
        sub.set_defaults(do=do)
        return sub

    def with_out(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: a dated directory under results-data/)")

    def with_runs(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--runs", type=_positive, metavar="N", help="runs for each level and kernel (default: the scenario's)")
        sub.add_argument("--seed", type=int, metavar="S", help="seed of the plan (default: the scenario's)")

    with_out(command("demo", _do_demo, "compare blocking and non-blocking panfrost in a VM, and show the planted lock-up"))
    test = command("test", selftest.run, "the project's own tests")
    test.add_argument("--tier", choices=selftest.TIERS, action="append", help="only this tier (default: quick and vm)")
    campaign_command.add_arguments(command("selftest", campaign_command.run, "many nights in which something is killed, and what was wrong after each"))
    doctor_command = command("doctor", doctor.run, "what this machine and the guest can do, and the reason where not")
    doctor_command.add_argument("--json", action="store_true", help="as JSON")
    lists = command("list", _do_list, "what there is")
    lists.add_argument("what", choices=("configs", "stressors", "injectors", "kernels", "machines", "rules"))
    run = command("run", _do_run, "run scenarios on one kernel")
    run.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    run.add_argument("--kernel", metavar="K", help="default: lab, on a board the one that runs; lab-6.1, lab-debug or one of yours (lab add), alone or with variants: lab+panfrost-nowait")
    run.add_argument("--machine", default=sites.VM, metavar="|".join(sites.DESCRIPTIONS), help=sites.HELP)
    run.add_argument("--record", action="store_true", help="record each run under QEMU's record/replay, for `replay --exact`; one virtual CPU")
    with_runs(run)
    with_out(run)
    compare = command("compare", _do_compare, "interleaved runs of one scenario on two kernels or more")
    compare.add_argument("config", type=Path, metavar="CONFIG")
    compare.add_argument("--a", required=True, metavar="K", help=f"the first arm, the baseline that others are held against: {arms.HELP}")
    compare.add_argument("--b", required=True, metavar="K", help="the second arm")
    compare.add_argument("--arm", action="append", default=[], metavar="K", help="one more arm; may be given again")
    compare.add_argument("--cold", action="store_true", help="boot a guest for each run, instead of starting runs from snapshots")
    with_runs(compare)
    until_sure = compare.add_argument_group("until sure", "instead of a number of runs that is fixed before")
    until_sure.add_argument("--until-sure", action="store_true",
                            help="go on, round by round, until the question is answered: an anytime-valid test, by betting")
    until_sure.add_argument("--most-runs", type=_positive, metavar="N", help=f"runs of each kernel at the most (default: {plan.MOST_RUNS})")
    until_sure.add_argument("--margin", type=_share, metavar="D",
                            help=f"a difference of shares that does not matter: none larger is an answer too (default: {plan.MARGIN:g})")
    ahead = compare.add_argument_group("plan", "before anything is run")
    ahead.add_argument("--plan", action="store_true", help="print how many runs it takes to see a difference, and how long; run nothing")
    ahead.add_argument("--difference", type=_share, default=foresight.DIFFERENCE, metavar="D",
                       help="the difference of shares to be seen (default: %(default)s)")
    ahead.add_argument("--power", type=_share, default=foresight.POWER, metavar="P", help="how surely (default: %(default)s)")
    ahead.add_argument("--earlier", type=Path, metavar="DIR", help="an earlier comparison: what is common, and how runs vary")
    with_out(compare)
    report_command.add_markdown(compare)
    pytest_command.add_arguments(command("pytest", pytest_command.run, "scenarios as tests of pytest, beside your own", **pytest_command.NOT_OURS))
    report_command.add_arguments(command("report", report_command.run, "judge the runs of a directory again and write report.html anew"))
    replays = command("replay", _do_replay, "carry out a recorded run again, and say whether it came out the same")
    replays.add_argument("source", type=Path, metavar="RUN_DIR|FILE.tar.zst", help="a run directory, or a bundle of one")
    replays.add_argument("--runs", type=_positive, default=1, metavar="N", help="how often (default: 1); all with the recorded seed")
    replays.add_argument("--kernel", metavar="K", help="another kernel than the recorded one: does the bug show there too?")
    with_out(replays)
    exact_options = replays.add_argument_group("exact replays", "of runs that were recorded by `run --record`")
    exact_options.add_argument("--exact", action="store_true", help="execute the same instructions again, and say whether the same came out")
    exact_options.add_argument("--gdb", action="store_true", help="stop at the first witness of the hang, in gdb")
    exact_options.add_argument("--gdb-command", action="append", default=[], metavar="CMD", help="the same, with gdb carrying out CMD only")
    exact_options.add_argument("--at", type=int, metavar="N", help="stop after N instructions instead")
    history_command.add_arguments(command("history", history_command.run, "what many runs say over time: trends, what is new, fixed or flaky"))
    nightly_command.add_arguments(command("nightly", nightly_command.run, "run what a lab runs at night, on all its boards, and write a page for the morning"))
    lava_command.add_arguments(command("lava", lava_command.run, "make a job for LAVA, and tell LAVA within it what came out"))
    bundles = command("bundle", _do_bundle, "make one file of a run, fit for a bug report")
    bundles.add_argument("directory", type=Path, metavar="RUN_DIR")
    bundles.add_argument("--out", type=Path, metavar="FILE", help="default: SCENARIO-NNNN.tar.zst in the current directory")
    minimise = command("minimize", _do_minimize, "make a scenario smaller while something still shows")
    minimise.add_argument("config", type=Path, metavar="CONFIG")
    minimise.add_argument("--until", required=True, metavar="WHAT",
                          help="what must show: an outcome (hung, stalled, failed, ...) or finding:SIGNATURE (a kind, or the beginning of one); "
                               "several with |, as in 'hung|finding:hung-task'")
    minimise.add_argument("--kernel", default="lab", metavar="K", help="lab, or lab with variants: lab+panfrost-nowait")
    minimise.add_argument("--trials", type=_positive, default=minimize.TRIALS, metavar="N",
                          help="runs of the first and of the last scenario, for their rates (default: %(default)s)")
    minimise.add_argument("--max-runs", type=_positive, default=minimize.MAX_RUNS, metavar="N", help="runs in all (default: %(default)s)")
    with_out(minimise)
    restore = command("restore", _do_restore, "put back what a run on this machine has turned and was killed before it could put back")
    restore.add_argument("--journal", type=Path, metavar="FILE",
                         help=f"the agent's journal (default: {' and '.join(map(str, sites.JOURNALS))})")
    boards = command("board", _do_board, "look at a board, or put back what runs have left turned there")
    boards.add_argument("what", choices=("check", "restore"), help="restore also puts a board back into service that was taken out")
    boards.add_argument("machine", metavar="|".join(name for name in sites.DESCRIPTIONS if name != sites.VM), help="local, or the board's file (docs/boards.md)")
    lab = commands.add_parser("lab", help="the lab kernel").add_subparsers(dest="lab_command", required=True)
    for name, do, text in (("build", _do_lab_build, "build a lab kernel, its modules and its guest image"),
                           ("boot", _do_lab_boot, "an interactive shell in the guest")):
        sub = lab.add_parser(name, help=text, description=text)
        sub.add_argument("kernel", nargs="?", default="lab", metavar="K")
        sub.set_defaults(do=do)
    text = "give a kernel of yours a name, under which it takes part as `lab` does"
    add = lab.add_parser("add", help=text, description=text)
    add.add_argument("name", metavar="NAME")
    kinds = add.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--source", type=Path, metavar="DIR", help="a clean kernel source tree; it is built with the lab's config when first used")
    kinds.add_argument("--build", type=Path, metavar="DIR", help="a build tree with bzImage, modules and Module.symvers, and its source")
    kinds.add_argument("--bzimage", type=Path, metavar="FILE", help="an image alone, drivers built in: serves drivers that need no model")
    add.set_defaults(do=_do_lab_add)
    text = "forget a kernel of yours"
    remove = lab.add_parser("remove", help=text, description=text)
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(do=_do_lab_remove)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (README, "Using it")."""
    args: Any = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that guests are ended and scratch files removed
        signal.signal(number, signal.default_int_handler)
    try:
        return int(args.do(args))
    except DrmsqueezeError as error:
        progress.say(f"drmsqueeze: {error}")
        return error.exit_code
    except (ResultsError, OSError) as error:
        progress.say(f"drmsqueeze: {error}")
        return InfrastructureError.exit_code
    except KeyboardInterrupt:
        progress.say("drmsqueeze: interrupted; finished runs are kept, and `drmsqueeze report DIR` reports on them")
        return InfrastructureError.exit_code


