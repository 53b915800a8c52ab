# SPDX-License-Identifier: MIT
"""The second release, and panfrost's ways to allocate in its fault path: that each builds and runs on both, and does what its name says."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from whole_runs import RunOne

from drmsqueeze import TOP, cache, kernels, modules
from drmsqueeze.execute import Lab
from drmsqueeze_results.model import Status

FLAGS = ("nowait", "noretry", "atomic", "noreclaim", "reserve")
# The reserve is for 6.12 only: see docs/kernels.md.
ARMS = [("lab", flags) for flags in FLAGS] + [("lab-6.1", flags) for flags in FLAGS if flags != "reserve"]
HEAP: dict[str, Any] = json.loads((TOP / "configs" / "panfrost-heap.json").read_text())


PAIRS = [(base, "panfrost", f"panfrost-{flags}", "panfrost-errfix") for base, flags in ARMS] + [("lab", "lima", "lima-nowait", "lima-bounded")]


@pytest.mark.parametrize(("base", "driver", "one", "other"), PAIRS)
def test_two_variants_apply_in_either_order(base: str, driver: str, one: str, other: str, tmp_path: Path) -> None:
    place = modules.MODELLED_DRIVERS[driver]
    made = []
    for order in (f"{base}+{one}+{other}", f"{base}+{other}+{one}"):
        tree = tmp_path / str(len(made))
        shutil.copytree(kernels.lab_kernel(base).path / "source" / place, tree / place)
        for variant in kernels.KernelSpec.parse(order).variants:
            modules.patch_driver(tree, variant)
        made.append({path.name: cache.file_digest(path) for path in (tree / place).glob("*.[ch]")})
    assert made[0] == made[1]


def test_nothing_of_ours_is_left_out_of_the_older_release(lab: Lab) -> None:
    """Models, traps, probes and shimmed drivers all build on 6.1."""
    names = [sorted(path.stem for path in lab.guest(base).modules.all()) for base in ("lab", "lab-6.1")]
    assert names[0] == names[1]


@pytest.mark.parametrize(("base", "flags"), [("lab", ""), ("lab-6.1", ""), *ARMS])
@pytest.mark.parametrize("errfix", ["", "+panfrost-errfix"])
def test_every_arm_runs(run_one: RunOne, base: str, flags: str, errfix: str) -> None:
    """With memory enough nothing fails: the two jobs that are in flight grow by as much as the reserve holds."""
    kernel = base + (f"+panfrost-{flags}" if flags else "") + errfix
    done = run_one(base=HEAP | {"stressors": [HEAP["stressors"][0] | {"jobs": 4}]}, kernel=kernel)
    assert done.run.status is Status.PASS, done.story
    assert done.fates == {"completed": done.run.jobs.submitted}, done.story


def test_a_job_that_outgrows_the_reserve_fails(run_one: RunOne) -> None:
    """The control of the reserve: 64 MiB in one job, with memory enough, and only the variant fails it."""
    heap = HEAP | {"stressors": [{"kind": "tiler-heap", "heap_mib": 64, "jobs": 1}], "injectors": [], "levels": [1.0]}
    assert run_one(base=heap, kernel="lab+panfrost-nowait+panfrost-errfix").fates == {"completed": 1}
    assert run_one(base=heap, kernel="lab+panfrost-reserve+panfrost-errfix").fates == {"failed": 1}


def test_the_older_release_is_caught_in_a_trap_too(run_one: RunOne) -> None:
    """The positive control of 6.1: blocking allocations lock up with a shrinker that waits for the job's fence, GFP_NOWAIT does not."""
    trap = json.loads((TOP / "configs/traps/shrinker-waits-for-fence.json").read_text())
    blocking = run_one(base=trap, kernel="lab-6.1", level=trap["levels"][0])
    assert blocking.run.jobs.hung or blocking.run.jobs.stalled or blocking.run.jobs.timed_out, blocking.story
    nowait = run_one(base=trap, kernel="lab-6.1+panfrost-nowait", level=trap["levels"][0])
    assert not nowait.run.jobs.hung and not nowait.run.jobs.stalled, nowait.story
