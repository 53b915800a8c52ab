# SPDX-License-Identifier: MIT
"""A target of a labgrid environment as a machine: labgrid's own drivers, and the board of scripts (fake_board.py) behind them."""

import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.outcomes import judge

from drmsqueeze import TOP
from drmsqueeze import execute as execution
from drmsqueeze import guest as guests
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.limits import Limits
from drmsqueeze.machines import labgrid_target, received, sites
from drmsqueeze.machines.console import BoardConsole
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import Kind
from drmsqueeze.scenario import parse
from fake_board import FakeBoard, on_path, record

pytest.importorskip("labgrid", reason="python3-labgrid is not installed; `./drmsqueeze test` installs it")

JOBS = [record(1, Kind.HELLO, text="0.1"), record(2, Kind.INTENT, job=1, text="bo-churn"), record(3, Kind.SUBMIT, job=1)]
WELL = [*JOBS, record(4, Kind.END, job=1, b=1000), record(5, Kind.RELEASE), record(6, Kind.RELEASE, code=1, a=1), record(7, Kind.BYE)]
SCENARIO = {"schema": "drmsqueeze.scenario/1", "name": "fake", "description": "One.", "target": {"driver": "vgem"},
            "stressors": [{"kind": "bo-churn", "jobs": 1}]}
STRATEGY = """
import attr
from labgrid.factory import target_factory
from labgrid.strategy import Strategy

if "LateStrategy" not in target_factory.drivers:
    @target_factory.reg_driver
    @attr.s(eq=False)
    class LateStrategy(Strategy):
        bindings = {"power": "PowerProtocol"}
        notes = attr.ib()
        def transition(self, status):
            with open(self.notes, "a") as file:
                file.write(status + "\\n")
            if status == "linux-next":
                self.target.activate(self.power)
                self.power.cycle()
            elif status != "off":
                raise ValueError("no such state")
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    made = FakeBoard(tmp_path / "board")
    monkeypatch.setenv("PATH", on_path(made))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(guests, "build_for_boards", lambda architecture: made.root / "programs")
    monkeypatch.setattr(received, "RETRY_S", 0.1)
    monkeypatch.setattr(Limits, "of", classmethod(lambda cls, *_: cls(1, 1, 1, 1, 2, 1, 1, silence=made.silence_s)))
    return made


def environment(fake: FakeBoard, **target: Any) -> str:
    """Its file. `target` are members of the target that are not the usual ones."""
    cycle = str(fake.bin / "cycle")
    usual = {
        "resources": {"NetworkService": {"address": "fake.invalid", "username": "root", "port": 2222}},
        "drivers": {"SSHDriver": {"keyfile": "id"}, "ExternalPowerDriver": {"cmd_on": "true", "cmd_off": "true", "cmd_cycle": cycle}},
        "options": {"drmsqueeze": {"limits_s": {"boot": 3, "connect": 1, "command": 20, "power": 5, "reset": 1},
                                   "directory": f"{fake.root}/run/work", "state": f"{fake.root}/run/state"}},
    }
    (fake.root / "strategy.py").write_text(STRATEGY)
    (fake.root / "lab.yaml").write_text(json.dumps({"imports": ["strategy.py"], "targets": {"main": usual | target}}))
    return str(fake.root / "lab.yaml")


def with_options(fake: FakeBoard, file: str, **options: Any) -> str:
    document = json.loads(Path(file).read_text())
    document["targets"]["main"]["options"]["drmsqueeze"] |= options
    Path(file).write_text(json.dumps(document))
    return file


def carry_out(file: str, directory: Path, kernel: str = "running", watch: Any = None) -> Any:
    site = sites.kept(file)
    execution.execute(site, parse(json.dumps(SCENARIO), "fake"), PlannedRun(0, 0, 1.0, "a", 1), kernel, directory, watch)
    return judge(directory)


def test_a_run_with_host_keys_checked_though_labgrid_would_not(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    run = carry_out(environment(fake), tmp_path / "run")
    assert (run.verdict.reason_code, run.environment.machine) == ("ok", "board lab-main"), run.verdict
    words = fake.argv.splitlines()
    assert "StrictHostKeyChecking=yes" in words and not [word for word in words if word in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")]
    assert words[words.index("-p") + 1] == "2222" and words[words.index("-i") + 1] == str(fake.root / "id")


def test_a_board_that_is_gone_has_its_power_cut_by_labgrids_driver(fake: FakeBoard, tmp_path: Path) -> None:
    fake.silence_s = 1.5
    fake.say(*JOBS)

    def watch(machine: Any, journal: Any) -> None:
        if journal.intents == 1 and machine.records._process:
            fake.set("unplugged")
            machine.records._process.kill()

    run = carry_out(environment(fake), tmp_path / "run", watch=watch)
    assert run.verdict.reason_code == "link-lost" and run.jobs.lost == 1
    assert (fake.root / "power").read_text() == "cycled\n"


def test_a_kernel_is_booted_by_the_states_of_the_strategy(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    file = environment(fake)
    document = json.loads(Path(file).read_text())
    document["targets"]["main"]["drivers"]["LateStrategy"] = {"notes": str(fake.root / "states")}
    Path(file).write_text(json.dumps(document))
    with_options(fake, file, kernels={"next": {"states": ["off", "linux-next"]}, "bad": {"states": ["nowhere"]}})
    assert carry_out(file, tmp_path / "run", "next").verdict.reason_code == "ok"
    assert (fake.root / "states").read_text().split() == ["off", "linux-next"] and (fake.root / "boot_id").read_text() == "after-cycle\n"
    failed = carry_out(file, tmp_path / "failed", "bad")
    assert failed.verdict.reason_code == "infrastructure" and "no such state" in failed.verdict.reasons[0]


def test_drivers_are_active_for_a_run_only(fake: FakeBoard) -> None:
    target = labgrid_target.load(environment(fake))
    states = lambda: {str(driver.state) for driver in target._target.drivers}  # noqa: E731
    with target.ways().held():
        assert "BindingState.active" in states()
    assert states() == {"BindingState.bound"}


def test_a_switch_that_asks_a_person_is_no_switch(fake: FakeBoard) -> None:
    target = labgrid_target.load(environment(fake, drivers={"ManualPowerDriver": {}}))
    cycle = target.ways().cycle
    assert cycle
    with pytest.raises(InfrastructureError, match="asks a person"):
        cycle()


def test_a_switch_that_hangs_is_not_waited_for(fake: FakeBoard) -> None:
    drivers = {"ExternalPowerDriver": {"cmd_on": "true", "cmd_off": "true", "cmd_cycle": "sleep 20"}}
    file = with_options(fake, environment(fake, drivers=drivers), limits_s={"power": 0.2})  # and not for 20 seconds
    cycle = labgrid_target.load(file).ways().cycle
    assert cycle
    with pytest.raises(InfrastructureError, match="power cycle: labgrid has not done it within"):
        cycle()


@pytest.mark.parametrize("change, message", [
    ({"resources": {}, "drivers": {}}, "found 0 resources NetworkService"),
    ({"drivers": {"NoSuchDriver": {}}}, "unknown driver class NoSuchDriver"),
    ({"drivers": {"SerialDriver": {}}}, "no supplier matching"),
    ({"resources": {"NetworkService": {"address": "-oProxyCommand=x", "username": "root"}}}, "/ssh/host: found"),
    ({"options": {"drmsqueeze": {"power": {}}}}, "/power: found an unknown member"),
    ({"options": {"drmsqueeze": {"kernels": {"x": {"states": []}}}}}, "/kernels/x/states: found []"),
    ({"options": {"drmsqueeze": {"kernels": {"x": {"states": ["s"]}}}}}, "found states of a strategy, and target main has none"),
])
def test_a_bad_environment_is_refused_with_the_place(fake: FakeBoard, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        sites.kept(environment(fake, **change))
    assert "lab.yaml" in str(error.value) and message in str(error.value)


def test_targets_and_files_that_are_not_there(fake: FakeBoard, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='found no "other"; expected one of: main'):
        sites.kept(f"{environment(fake)}:other")
    assert sites.kept(f"{environment(fake)}:main")
    with pytest.raises(UsageError, match="could not be found"):
        sites.kept(str(tmp_path / "none.yaml"))


def test_where_labgrid_is_missing_it_says_so(fake: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "labgrid", None)
    with pytest.raises(InfrastructureError, match="apt-get install python3-labgrid"):
        sites.kept(environment(fake))


def until(true: Callable[[], bool]) -> None:
    over = time.monotonic() + 60
    while not true():
        assert time.monotonic() < over
        time.sleep(0.02)


def test_the_console_of_a_driver_is_read_typed_on_and_opened_again(fake: FakeBoard, tmp_path: Path) -> None:
    """On a raw TCP port, as ser2net has them; a BREAK is typed there, for such a port has none. pyserial drops what comes as it opens one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = {"host": "127.0.0.1", "port": server.getsockname()[1], "protocol": "raw"}
        service = {"address": "fake.invalid", "username": "root"}
        file = environment(fake, resources={"NetworkService": service, "NetworkSerialPort": port}, drivers={"SerialDriver": {}})
        without = labgrid_target.load(file).ways().terminal
        having = labgrid_target.load(with_options(fake, file, console={"break": "~B"})).ways().terminal
        assert without and not without().can_break and having
        terminal = having()
        assert terminal.can_break
        shown = BoardConsole(terminal, tmp_path / "console.log")
        line, _ = server.accept()
        until(lambda: line.send(b"Kernel panic - not syncing: a test\n") and shown.panicked_at is not None)
        shown.sysrq("w")
        assert line.recv(3) == b"~Bw"
        line.close()
        line, _ = server.accept()
        until(lambda: line.send(b"again\n") and "again" in shown.text())
        shown.close()
        line.close()


def test_a_serial_port_has_a_break_of_its_own(fake: FakeBoard) -> None:
    resources = {"NetworkService": {"address": "fake.invalid", "username": "root"}, "RawSerialPort": {"port": "/dev/ttyUSB99"}}
    terminal = labgrid_target.load(environment(fake, resources=resources, drivers={"SerialDriver": {}})).ways().terminal
    assert terminal and terminal().can_break
    with pytest.raises(OSError, match="ttyUSB99"):
        terminal().open()


def test_the_example_of_the_docs_is_a_machine(fake: FakeBoard) -> None:
    """With a strategy of its name."""
    example = (TOP / "docs" / "labs.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    (fake.root / "lab.yaml").write_text(example)
    (fake.root / "strategy.py").write_text(STRATEGY.replace("LateStrategy", "BoardStrategy").replace("attr.ib()", 'attr.ib(default="states")'))
    target = labgrid_target.load(str(fake.root / "lab.yaml"))
    assert target.board.name == "lab-rock5b" and target.board.kernels["next"].states == ["off", "next"]
    assert target.board.ssh and target.board.ssh.identity == fake.root / "keys/lab" and target.board.limits.reset == 30
    assert target.ways().cycle and target.ways().terminal
