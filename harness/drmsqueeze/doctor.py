# SPDX-License-Identifier: MIT
"""`drmsqueeze doctor`: what this machine and its guest can do, and the reason for everything that they cannot."""

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drmsqueeze import guest as guests
from drmsqueeze import cache, execute, kernels, scenario, targets
from drmsqueeze.errors import DrmsqueezeError, InfrastructureError
from drmsqueeze.machines import vm

CAPABILITIES = f"/bin/{guests.AGENT} --capabilities"


@dataclass(frozen=True)
class Check:
    """`can` false has a reason; a check that nothing depends on is not a failure of the machine."""

    subject: str
    can: bool
    detail: str
    drivers: Mapping[str, str | None] = field(default_factory=dict)
    """For a stressor: null for each driver that it can run on, and the reason for each other one."""
    limits: Mapping[str, list[str]] = field(default_factory=dict)
    """For a stressor: what it cannot do on a driver that it can run on, as `OPTION: REASON`."""


def _host_checks() -> list[Check]:
    free_gib = shutil.disk_usage(cache.root() if cache.root().exists() else Path.home()).free / (1 << 30)
    qemu = shutil.which(vm.QEMU)
    built = kernels.lab_kernel_built()
    return [
        Check("host: QEMU", bool(qemu), qemu or f"{vm.QEMU} is not on the path"),
        # The lab kernel's entry is 2.2 GiB: source, build tree, modules.
        Check("host: disk for the cache", built or free_gib > 4, f"{free_gib:.0f} GiB free below {cache.root()}; a lab kernel takes 2.2"),
        Check("host: lab kernel", built, "in the cache" if built else "not built yet; `drmsqueeze lab build` takes some minutes"),
        *(Check(f"host: {base} kernel", True, "in the cache" if kernels.lab_kernel_built(base) else "built when it is first used")
          for base, what in kernels.bases().items() if base != "lab" and what.installed),
        *(Check(f"host: {base} kernel", False, f"{what.user.path if what.user else what.source} is not there")
          for base, what in kernels.bases().items() if base != "lab" and not what.installed),
    ]


def _agent_json(console: str) -> dict[str, Any]:
    start = console.find("\n{")
    if start < 0:
        raise InfrastructureError(f"the agent in the guest printed no capabilities: {console[-500:]}")
    return json.JSONDecoder().raw_decode(console[start + 1 :])[0]  # type: ignore[no-any-return]


def _by_reason(reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(driver, reason) as (reason, drivers), in the order in which the reasons first come."""
    together: dict[str, list[str]] = {}
    for driver, reason in reasons:
        together.setdefault(reason, []).append(driver)
    return [(reason, ", ".join(names)) for reason, names in together.items()]


def _stressor(name: str, answer: dict[str, Any]) -> Check:
    drivers = {driver: said.get("reason") for driver, said in answer["drivers"].items()}
    limits = {driver: said["limits"] for driver, said in answer["drivers"].items() if said.get("limits")}
    can = ", ".join(driver for driver, reason in drivers.items() if reason is None)
    detail = [f"on {can}"] if can else []
    cannot = _by_reason((driver, reason) for driver, reason in drivers.items() if reason is not None)
    detail += [f"not on {names}: {reason}" for reason, names in cannot]
    without = _by_reason((driver, ", ".join(limit.replace(": ", " (", 1) + ")" for limit in said)) for driver, said in limits.items())
    detail += [f"on {names} without {what}" for what, names in without]
    return Check(f"vm: stressor {name}", bool(can), "; ".join(detail), drivers, limits)


def _guest_checks(lab: execute.Lab) -> list[Check]:
    """One guest with every driver in it is asked."""
    machine = lab.accelerator
    checks = [Check("vm: accelerator", True, f"{machine.name} ({machine.why}); {machine.time_scale:g} times slower than the host")]
    schema = json.loads(scenario.SCHEMA.read_text())["properties"]
    traps = [{"trap": name} for name in schema["traps"]["items"]["properties"]["trap"]["enum"]]
    everything = {"driver": "panfrost", "model": "mali-jm", "companions": [name for name in targets.TARGETS if name != "panfrost"]}
    said = _agent_json(vm.run_command(
        lab.guest("lab").carrying(sorted(guests.TOOLS)), machine.name, CAPABILITIES,
        targets.modules(everything, traps, stressors=targets.STRESSOR_MODULES),
        hardware=vm.Hardware(ram_mib=512, devices=tuple(targets.devices(everything)))))
    checks += [Check(f"vm: driver {name}", answer["can"], answer.get("reason") or "opens") for name, answer in said["drivers"].items()]
    checks += [_stressor(name, answer) for name, answer in said["stressors"].items()]
    checks += [Check(f"vm: injector {name}", answer["can"], answer.get("reason") or "yes") for name, answer in said["injectors"].items()]
    return checks


def run(args: argparse.Namespace) -> int:
    """Print the checks; returns 0 where everything can be done, else 3."""
    checks = _host_checks()
    if all(check.can for check in checks):
        try:
            checks += _guest_checks(execute.Lab())
        except DrmsqueezeError as error:
            checks.append(Check("vm: guest", False, str(error)))
    console = Console(soft_wrap=True, highlight=False)
    if args.json:
        console.print_json(json.dumps({"schema": "drmsqueeze.doctor/1", "checks": [asdict(check) for check in checks]}))
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("what", "can", "detail"):
            table.add_column(column)
        for check in checks:
            table.add_row(check.subject, "yes" if check.can else "NO", check.detail)
        console.print(table)
    return 0 if all(check.can for check in checks) else 3
