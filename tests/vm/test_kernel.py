# SPDX-License-Identifier: MIT
"""The lab kernel itself: that its detectors are not blind, and that the model passes its own tests where wrong models do not."""

import json
import re
import shutil
from pathlib import Path

import pytest

from drmsqueeze import guest as guests
from drmsqueeze import kernels
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.execute import Lab
from drmsqueeze.machines.vm import Hardware, Vm, run_command

MODEL_TESTS = ["kunit", "gpu_model", "mali_jm", "mali_jm_test"]
MUTANTS = json.loads((kernels.LAB / "models" / "mutants.json").read_text())


def kunit_results(console: str) -> dict[str, bool]:
    """Test cases by name from the KTAP that KUnit prints; suites' own lines (not indented) are left out."""
    found = re.findall(r"^\[[^\]]*\]\s{5,}(not ok|ok) \d+ (\S+)", console, re.M)
    return {name: word == "ok" for word, name in found}


def test_a_warning_reaches_the_log(lab: Lab) -> None:
    """Without CONFIG_BUG every WARN_ON compiles to nothing, and all that the suite would say of kernels were blind."""
    guest, accelerator = lab.guest("lab"), lab.accelerator.name
    assert "WARNING:" not in run_command(guest, accelerator, "/bin/busybox true", ["lkdtm"])
    assert "WARNING:" in run_command(guest, accelerator, "/bin/busybox true", ["lkdtm:cpoint_name=DIRECT:cpoint_type=WARNING"])


def test_model_passes_its_register_tests(lab: Lab) -> None:
    results = kunit_results(run_command(lab.guest("lab"), lab.accelerator.name, "/bin/busybox true", MODEL_TESTS))
    assert len(results) >= 10
    assert all(results.values()), results


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_wrong_model_fails_them(lab: Lab, tmp_path: Path, mutant: dict[str, str]) -> None:
    models = tmp_path / "models"
    shutil.copytree(kernels.LAB / "models", models)
    source = models / mutant["file"]
    text = source.read_text()
    assert text.count(mutant["old"]) == 1, f"{mutant['file']} has changed: the mutant no longer fits"
    source.write_text(text.replace(mutant["old"], mutant["new"]))
    wrong = guests.prepare(kernels.KernelSpec.parse("lab"), lab.kernel, models)
    results = kunit_results(run_command(wrong, lab.accelerator.name, "/bin/busybox true", MODEL_TESTS))
    assert results and not all(results.values()), f"no test sees that {mutant['breaks']}"


def test_a_guest_that_does_not_come_up_shows_its_last_lines(lab: Lab) -> None:
    with pytest.raises(InfrastructureError, match="cannot load no_such_module"):
        run_command(lab.guest("lab"), lab.accelerator.name, "/bin/busybox true", ["no_such_module"])


def test_sysrq_over_the_serial_console(lab: Lab, tmp_path: Path) -> None:
    with Vm(lab.guest("lab"), lab.accelerator.name, Hardware(), [], tmp_path / "console.log", mode="shell") as vm:
        vm.wait_up()
        assert vm.sysrq("7w")
        assert "Show Blocked State" in vm.console()
