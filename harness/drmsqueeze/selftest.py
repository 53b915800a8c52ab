# SPDX-License-Identifier: MIT
"""`drmsqueeze test`: the project's own tests, in tiers."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from drmsqueeze import TOP, progress
from drmsqueeze.kernels import lab_kernel

TIERS = ("quick", "vm", "long")
USUAL = TIERS[:2]
TREE = TOP / "build" / "tests"


def _run(title: str, command: Sequence[str | Path]) -> bool:
    progress.say(f"== {title}: {' '.join(str(part) for part in command)}")
    return subprocess.run(command, cwd=TOP).returncode == 0


def _pytest(*words: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", *words]


def run(args: argparse.Namespace) -> int:
    """Run the tiers asked for, all of each even where something fails. Returns 0 or 1."""
    tiers = args.tier or USUAL
    kernel = lab_kernel()
    good = True
    if "quick" in tiers:
        built = _run("configure", ["cmake", "-S", TOP, "-B", TREE, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DDRMSQUEEZE_TESTS=ON",
                                   f"-DDRMSQUEEZE_UAPI_DIR={kernel.uapi}"]) and _run("build", ["cmake", "--build", TREE])
        good &= built and _run("C++ tests", ["ctest", "--test-dir", TREE, "--output-on-failure"])
        os.environ["DRMSQUEEZE_BUILD_TREE"] = str(TREE)  # where clang-tidy finds the compilation database
        # Two at a time: one is clang-tidy for half of it, and most of the others wait for processes of theirs.
        good &= _run("tier quick", _pytest("-n", "2", "tests/lint", "tests/harness", "tests/results"))
    for tier in ("vm", "long"):
        if tier in tiers:
            # Guests wait for their timeouts most of the time, so two files go at once: the tests of one share what they build.
            # A machine's noise may fail a whole run; tests/conftest.py says which were tried again, and bounds how many.
            good &= _run(f"tier {tier}", _pytest("-n", "2", "--dist", "loadfile", "--reruns", "1", f"tests/{tier}"))
    return 0 if good else 1
