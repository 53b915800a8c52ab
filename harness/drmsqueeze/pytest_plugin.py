# SPDX-License-Identifier: MIT
"""The pytest plugin: scenarios are test items (docs/pytest.md), and so are the runs of a plan.json, which is how the harness runs them.

A scenario file is collected where --machine or --kernel is given, or where it is itself named on the command line. Without these a
session is none of ours.
"""

import re
import signal
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from drmsqueeze import results_data
from drmsqueeze.errors import DrmsqueezeError, UsageError
from drmsqueeze.execute import Lab
from drmsqueeze.machines import sites
from drmsqueeze.run_items import AT_ONCE, LAB, PlanFile, RunItem, ScenarioFile, all_markers, runs_directory, schema_of
from drmsqueeze.session_machines import MACHINES, choose

__all__ = ["AT_ONCE", "LAB", "runs_directory"]

LEFT_ALONE = pytest.StashKey[list[Path]]()
SCENARIO = "drmsqueeze.scenario/1"
OUT = "drmsqueeze_out"
"""What a worker of pytest-xdist is told: the directory for results."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("drmsqueeze", "memory pressure and fault injection for GPU drivers")
    group.addoption("--machine", action="append", default=[], metavar="|".join(sites.DESCRIPTIONS),
                    help=f"make tests of scenario files, and run them here: {sites.HELP}; may be given again (default: {sites.VM})")
    group.addoption("--kernel", action="append", default=[], metavar="K",
                    help="make tests of scenario files, and run them on this kernel of each machine that has it; may be given again "
                         "(default: lab, on a board the one that runs)")
    group.addoption("--drmsqueeze-runs", type=int, metavar="N", help="runs for each level and kernel (default: the scenario's)")
    group.addoption("--drmsqueeze-seed", type=int, metavar="S", help="seed of the plans (default: the scenarios')")
    group.addoption("--drmsqueeze-out", type=Path, metavar="DIR", help="where run directories go (default: a dated directory under results-data/)")


def _is_scenario(argument: str) -> bool:
    """Whether an argument of pytest names a scenario file, or tests in one."""
    return schema_of(Path(argument.partition("::")[0]), SCENARIO)


def pytest_configure(config: pytest.Config) -> None:
    for name, text in all_markers().items():
        config.addinivalue_line("markers", f"{name}: drmsqueeze: {text}")
    config.stash.setdefault(LAB, Lab())
    config.stash.setdefault(AT_ONCE, 1)
    left: list[Path] = []
    config.stash[LEFT_ALONE] = left
    option = config.option
    worker = getattr(config, "workerinput", {})
    told = worker.get(OUT)
    try:
        if option.drmsqueeze_runs is not None and option.drmsqueeze_runs < 1:
            raise UsageError(f"--drmsqueeze-runs: {option.drmsqueeze_runs} is not at least 1")
        if option.drmsqueeze_out and not told:
            results_data.refuse_used(option.drmsqueeze_out)
        machines = choose(option.machine, option.kernel, option.drmsqueeze_out, worker.get("workercount", 1))
        machines.wanted = machines.asked or any(map(_is_scenario, config.args))
        distribution = getattr(option, "dist", "no")
        if distribution not in ("no", "load", "loadgroup") and machines.wanted:
            raise UsageError(f"--dist {distribution} would have two workers use one machine at once; expected load (each machine has one worker) "
                             "or loadgroup")
    except DrmsqueezeError as error:
        raise pytest.UsageError(str(error)) from None
    machines.directory = Path(told) if told else None
    config.stash[MACHINES] = machines


def pytest_report_header(config: pytest.Config) -> str | None:
    machines = config.stash[MACHINES]
    told = "; ".join(f"{machine.name} ({', '.join(machine.kernels)})" for machine in machines.all)
    return f"drmsqueeze: machines and kernels: {told}" if machines.wanted else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PlanFile | ScenarioFile | None:
    if file_path.suffix != ".json":
        return None
    named = parent.session.isinitpath(file_path)
    if named and file_path.name == "plan.json" and schema_of(file_path, "drmsqueeze.plan/1"):
        return PlanFile.of(file_path, parent)
    if not schema_of(file_path, SCENARIO):
        return None
    if not named and not parent.config.stash[MACHINES].asked:
        parent.config.stash[LEFT_ALONE].append(file_path)
        return None
    return ScenarioFile.from_parent(parent, path=file_path)  # type: ignore[no-any-return]


def _aloud(config: pytest.Config) -> Any:
    """While what is said reaches the user, and is not kept for the report of a test."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """What takes long to build is built before the first run, where its progress can be seen; and from then on a session that is told
    to end does so as after Ctrl-C, so that its machines are left as they were found.
    """
    ours = any(isinstance(item, RunItem) and item.machine for item in getattr(session, "items", ()))  # a controller has none
    if not ours or session.config.option.collectonly:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.default_int_handler)
    if not hasattr(session.config, "workerinput"):
        with _aloud(session.config):
            session.config.stash[MACHINES].prepare()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """As pytest_runtestloop, for all workers of pytest-xdist: before they are started."""
    option = session.config.option
    distributed = getattr(option, "dist", "no") != "no" and getattr(option, "tx", None) and not hasattr(session.config, "workerinput")
    if distributed and session.config.stash[MACHINES].wanted and not option.collectonly:
        with _aloud(session.config):
            session.config.stash[MACHINES].prepare()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All workers of pytest-xdist write into one directory; it is made once it is needed, for a path that exists may change their rootdir."""
    machines = node.config.stash[MACHINES]
    node.workerinput[OUT] = str(machines.results()) if machines.wanted else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With the usual distribution, all runs of a board go to one worker. Node ids stay as they are, which --dist loadgroup changes."""
    machines = config.stash[MACHINES]
    if not machines.wanted or config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # only here is it sure to be installed

    alone = {machine.name for machine in machines.all if machine.alone}
    only = machines.all[0].name if len(machines.all) == 1 else None

    class ByMachine(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            run = re.search(r"\.json::\d+\[([^],]*)", nodeid)
            name = (only or run[1]) if run else ""
            return name if name in alone else nodeid

    return ByMachine(config, log)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    directory = config.stash[MACHINES].directory
    if directory and directory.exists() and any(directory.iterdir()):
        terminalreporter.write_line(f"drmsqueeze: results in {directory}")
    alone = config.stash[LEFT_ALONE]
    if alone and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        terminalreporter.write_line(f"drmsqueeze: left {len(alone)} scenario files alone; --machine or --kernel makes tests of them")
