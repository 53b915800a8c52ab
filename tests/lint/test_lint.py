# SPDX-License-Identifier: MIT
"""Format and static analysis of everything in the tree; each tool is one test, and prints what it found."""

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[str]:
    """The files of the project that match git pathspecs: tracked ones, and new ones that git does not ignore."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=TOP, check=True,
                            capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (TOP / name).exists()]


def quiet(*command: str) -> None:
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


CPP = ("agent/*.cc", "agent/*.h", "stressors/*.cc", "stressors/*.h", "injectors/*.cc", "injectors/*.h", "bench/*.cc", "bench/*.h",
       "tests/cpp/*.cc", "tests/cpp/*.h")


def test_clang_format() -> None:
    quiet("clang-format", "--dry-run", "--Werror", *tracked(*CPP))


def test_clang_tidy() -> None:
    tree = os.environ.get("DRMSQUEEZE_BUILD_TREE")
    if not tree:
        pytest.skip("no build tree: ./drmsqueeze test makes one and names it in DRMSQUEEZE_BUILD_TREE")
    # Not the tests: the headers of GoogleTest take the tool minutes.
    sources = [name for name in tracked(*CPP) if name.endswith(".cc") and not name.startswith("tests/")]
    # Two at a time: the tool uses one core.
    # The compilation database is GCC's, whose warnings clang does not all know.
    tidy = ["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", "-p", tree]
    done = subprocess.run(["xargs", "-P2", "-n4", *tidy], input="\n".join(sources), cwd=TOP,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]


def test_shellcheck() -> None:
    quiet("shellcheck", "drmsqueeze", ".ci/run")
    quiet("shellcheck", "--shell=dash", "lab/guest/init", "lab/guest/board")


@pytest.mark.parametrize("package", ["harness/drmsqueeze", "results/drmsqueeze_results"])
def test_mypy(package: str) -> None:
    environment = os.environ | {"MYPYPATH": f"{TOP}/harness:{TOP}/results"}
    done = subprocess.run(["/usr/bin/python3", "-m", "mypy", "--cache-dir=/dev/null", "--ignore-missing-imports",
                           "--disallow-untyped-defs", "--explicit-package-bases", package],
                          cwd=TOP, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_source_names_its_license() -> None:
    wanted = tracked("*.c", "*.h", "*.cc", "*.py", "*.patch", "*.dts", "*Kbuild", "*CMakeLists.txt", "drmsqueeze", ".ci/run")
    missing = [name for name in wanted if "SPDX-License-Identifier:" not in (TOP / name).read_text()[:2000]]
    assert not missing


def test_what_is_loaded_into_a_kernel_is_gpl() -> None:
    for name in tracked("lab/models/*.c", "lab/models/*.h", "lab/traps/*.c"):
        assert "SPDX-License-Identifier: GPL-2.0-only" in (TOP / name).read_text().splitlines()[0], name
