# SPDX-License-Identifier: MIT
"""What the tests of results share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from golden_data import DATA


@pytest.fixture
def golden(tmp_path: Path) -> Callable[[str], Path]:
    """Copies golden run directories by name, since judging writes into them."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(DATA / "runs" / name, tmp_path / name))

    return copy
