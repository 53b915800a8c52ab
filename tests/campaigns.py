# SPDX-License-Identifier: MIT
"""`drmsqueeze selftest` as a process, for tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from drmsqueeze import TOP


def campaign(out: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Its exit code, its summary and all that it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([f"{TOP}/harness", f"{TOP}/results"])}
    done = subprocess.run([sys.executable, "-m", "drmsqueeze", "selftest", "--out", str(out), *words], capture_output=True, text=True,
                          env=environment)
    return done.returncode, json.loads((out / "summary.json").read_text()), done.stdout + done.stderr
