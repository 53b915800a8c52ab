# SPDX-License-Identifier: MIT
"""Where golden data lies, and how a test changes a copy of it."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"


def edit(path: Path, **members: Any) -> None:
    """Replace top-level members of a JSON document."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | members))
