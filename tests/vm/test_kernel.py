# SPDX-License-Identifier: MIT
"""The lab kernel itself: that its detectors are not blind, and that the model passes its own tests where wrong models do not."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from whole_runs import with_files

from drmsqueeze import kernels
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.execute import Lab
from drmsqueeze.machines.vm import Hardware, Vm, run_command

# What has to be loaded for the tests of a model, by how the names of its files begin; the shared part is tested with the first.
# A mutant of the shared part that only another model's tests see names that model.
MODELS = {"gpu_model": ("mali_jm", "mali_jm_test"), "mali_jm": ("mali_jm", "mali_jm_test"),
          "mali_csf": ("mali_csf", "mali_csf_test", "mali_csf_queue_test"), "mali_utgard": ("mali_utgard", "mali_utgard_test"),
          "adreno_a2xx": ("adreno_a2xx", "adreno_a2xx_test")}
MUTANTS = json.loads((kernels.LAB / "models" / "mutants.json").read_text())
AS_IT_IS = "as-it-is"


def kunit_results(console: str) -> dict[str, bool]:
    """Test cases and suites by name, from the KTAP that KUnit prints."""
    return {name: word == "ok" for word, name in re.findall(r"^\[[^\]]*\] +(not ok|ok) \d+ (\S+)", console, re.M)}


@pytest.fixture(scope="module")
def model_results(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    """What the model's own tests say of the model as it is and of every mutant of it; all in one boot."""
    scratch = tmp_path_factory.mktemp("mutants")
    models, root = scratch / "models", scratch / "root"
    shutil.copytree(kernels.LAB / "models", models)
    make = ["make", "-C", lab.kernel.path / "build", f"M={models}", "-j3", "modules"]

    def build(name: str, modules: Iterable[str]) -> None:
        done = subprocess.run(make, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        (root / "mutants" / name).mkdir(parents=True)
        modules = ("gpu_model", *modules)
        for module in modules:
            shutil.copy(models / f"{module}.ko", root / "mutants" / name)
            subprocess.run(["strip", "--strip-debug", root / "mutants" / name / f"{module}.ko"], check=True)
        script.append(f"echo 'model: {name}'\n" + "".join(f"/bin/busybox insmod /mutants/{name}/{module}.ko\n" for module in modules)
                      + "".join(f"/bin/busybox rmmod {module}\n" for module in reversed(modules)))

    script: list[str] = []
    build(AS_IT_IS, dict.fromkeys(module for modules in MODELS.values() for module in modules))
    for mutant in MUTANTS:
        source = models / mutant["file"]
        text = source.read_text()
        assert text.count(mutant["old"]) == 1, f"{mutant['file']} has changed: the mutant {mutant['name']} no longer fits"
        source.write_text(text.replace(mutant["old"], mutant["new"]))
        build(mutant["name"], next(modules for prefix, modules in MODELS.items() if mutant.get("model", mutant["file"]).startswith(prefix)))
        source.write_text(text)
    (root / "mutants" / "run").write_text("".join(script))
    guest = with_files(lab.guest("lab"), root, scratch)
    console = run_command(guest, lab.accelerator.name, "/bin/busybox sh /mutants/run", ["kunit"], limit_s=600)
    _, *parts = re.split(r"^model: (\S+)$", console.replace("\r", ""), flags=re.M)
    return {name: kunit_results(part) for name, part in zip(parts[::2], parts[1::2])}


def test_a_warning_reaches_the_log(lab: Lab) -> None:
    """Without CONFIG_BUG every WARN_ON compiles to nothing, and all that the suite would say of kernels were blind."""
    guest, accelerator = lab.guest("lab"), lab.accelerator.name
    assert "WARNING:" not in run_command(guest, accelerator, "/bin/busybox true", ["lkdtm"])
    assert "WARNING:" in run_command(guest, accelerator, "/bin/busybox true", ["lkdtm:cpoint_name=DIRECT:cpoint_type=WARNING"])


def test_model_passes_its_register_tests(model_results: dict[str, dict[str, bool]]) -> None:
    results = model_results[AS_IT_IS]
    assert len(results) >= 145
    assert all(results.values()), results


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_wrong_model_fails_them(model_results: dict[str, dict[str, bool]], mutant: dict[str, str]) -> None:
    results = model_results[mutant["name"]]
    assert results and not all(results.values()), f"no test sees it: {mutant['breaks']}"


def test_a_guest_that_does_not_come_up_shows_its_last_lines(lab: Lab) -> None:
    with pytest.raises(InfrastructureError, match="cannot load no_such_module"):
        run_command(lab.guest("lab"), lab.accelerator.name, "/bin/busybox true", ["no_such_module"])


def test_sysrq_over_the_serial_console(lab: Lab, tmp_path: Path) -> None:
    with Vm(lab.guest("lab"), lab.accelerator.name, Hardware(), [], tmp_path / "console.log", mode="shell") as vm:
        vm.wait_up()
        assert vm.sysrq("7w")
        assert "Show Blocked State" in vm.console()
