# SPDX-License-Identifier: MIT
"""The fixtures of whole runs."""

from whole_runs import lab, run_one

__all__ = ["lab", "run_one"]
