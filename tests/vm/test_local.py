# SPDX-License-Identifier: MIT
"""Machine `local`: this very computer, in namespaces where it is marked as a test target and has files of its own.

What it does where there is a driver is in tests/long/test_local.py, in a guest.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# /etc with the mark, as far as it may be read; and what a run writes to. Then what is left of a run there, before and after.
MARKED = """set -e
cp -a /etc/. "$1/etc" 2>/dev/null || true
touch "$1/etc/drmsqueeze-target"
mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /run
mount --bind "$1/lib" /var/lib
scratch=$1; shift
status=0; "$@" || status=$?
find /run /var/lib ! -type d >"$scratch/left"; cat /proc/self/oom_score_adj >"$scratch/oom"
exit $status"""


def drmsqueeze(tmp_path: Path, *words: str, marked: bool) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for name in ("etc", "lib"):
        (tmp_path / name).mkdir(exist_ok=True)
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", MARKED, "sh", str(tmp_path)] if marked else []
    return subprocess.run([*inside, sys.executable, "-m", "drmsqueeze", *words], env=environment, capture_output=True, text=True)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """For a driver that no x86 computer has."""
    document: dict[str, Any] = {
        "schema": "drmsqueeze.scenario/1", "name": "churn", "description": "Jobs.", "target": {"driver": "panthor"},
        "stressors": [{"kind": "bo-churn", "jobs": 5}],
    }
    (tmp_path / "churn.json").write_text(json.dumps(document))
    return tmp_path / "churn.json"


def test_a_computer_that_lacks_the_driver_skips_and_is_left_as_it_was(config: Path, tmp_path: Path) -> None:
    """All of it happens: mark, agent, records over a pipe, and nothing is left in /run and /var/lib."""
    done = drmsqueeze(tmp_path, "run", str(config), "--machine", "local", "--out", str(tmp_path / "out"), marked=True)
    assert done.returncode == 77, done.stdout + done.stderr
    run = tmp_path / "out" / "churn" / "0000"
    machine = json.loads((run / "facts.json").read_text())["machine"]
    assert machine["kind"] == f"local {os.uname().nodename}" and machine["board"]["left"] == "as found"
    assert (run / "records.bin").stat().st_size > 0
    assert (tmp_path / "left").read_text() == ""
    assert (tmp_path / "oom").read_text() == Path("/proc/self/oom_score_adj").read_text()


@pytest.mark.skipif(Path("/etc/drmsqueeze-target").exists(), reason="this computer is marked as a test target")
def test_an_unmarked_computer_is_refused(config: Path, tmp_path: Path) -> None:
    """With the exit code and the sentence of a board."""
    done = drmsqueeze(tmp_path, "board", "check", "local", marked=False)
    assert done.returncode == 3 and ("not marked as a test target" in done.stderr or "not root" in done.stderr), done.stderr
    done = drmsqueeze(tmp_path, "run", str(config), "--machine", "local", "--out", str(tmp_path / "out"), marked=False)
    assert done.returncode == 3
    assert not (tmp_path / "out" / "churn" / "0000" / "records.bin").exists()
