# SPDX-License-Identifier: MIT
"""Whole runs that are tried again: a chance failure passes and is shown whole, a fault fails, and many chance failures fail too."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drmsqueeze import TOP

# Fails as often as its number says.
UNSTEADY = """
import pytest
tried = dict()
@pytest.mark.parametrize("fails", {fails})
def test_of_chance(request, fails):
    tried[request.node.name] = tried.get(request.node.name, 0) + 1
    assert tried[request.node.name] > fails, "the machine was busy"
"""


@pytest.mark.parametrize(("fails", "exit_status", "shown"), [([0, 0], 0, 0), ([0, 1], 0, 1), ([0, 2], 1, 1), ([1] * 3, 0, 3), ([1] * 4, 1, 4)],
                         ids=["steady", "one by chance", "a fault", "three by chance", "four by chance"])
def test_a_test_that_is_tried_again_is_shown_and_counted(tmp_path: Path, fails: list[int], exit_status: int, shown: int) -> None:
    shutil.copy(TOP / "tests/conftest.py", tmp_path)
    (tmp_path / "test_of_chance.py").write_text(UNSTEADY.format(fails=fails))
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--reruns", "1", "test_of_chance.py"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == exit_status, done.stdout
    assert done.stdout.count("was tried again") == shown, done.stdout
    assert ("the machine was busy" in done.stdout) == bool(shown)
