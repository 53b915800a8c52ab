# SPDX-License-Identifier: MIT
"""What the tests of results share: copies of golden data, since judging writes into the directory."""

import json
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def golden(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a golden run directory."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(DATA / "runs" / name, tmp_path / name))

    return copy


def edit(path: Path, **members: Any) -> None:
    """Replace top-level members of a JSON document."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | members))
