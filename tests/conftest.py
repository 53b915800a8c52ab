# SPDX-License-Identifier: MIT
"""Puts the project's packages on the path, so that a plain `pytest tests/harness` works."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "harness"), str(TOP / "results"), str(TOP / "tests")]
