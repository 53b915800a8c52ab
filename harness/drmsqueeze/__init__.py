# SPDX-License-Identifier: MIT
"""drmsqueeze: memory pressure and fault injection for Linux GPU drivers, with the fate of every job counted."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
"""The project's directory."""
