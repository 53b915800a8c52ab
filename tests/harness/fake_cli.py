# SPDX-License-Identifier: MIT
"""The command line, and the process of one board, with script boards (fake_board.py) in place of real ones: FAKE_BOARDS holds them by name.

As `drmsqueeze.cli` otherwise: a test kills it like any other process. FAKE_HANGING_LIBRARY: boards whose driver library never returns.
"""

import ctypes
import os
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "harness"), str(TOP / "results")]

from drmsqueeze import guest, night_worker, nightly  # noqa: E402
from drmsqueeze.limits import Limits  # noqa: E402
from drmsqueeze.machines import received  # noqa: E402
from drmsqueeze.machines.board import BoardSite  # noqa: E402

received.RETRY_S = 0.1
received.GAP_S = 0.3
Limits.of = classmethod(lambda cls, *_: cls(1, 1, 1, 1, 2, 1, 1, silence=60.0))  # type: ignore[method-assign, assignment]
nightly.WORKER = [sys.executable, __file__, "--worker"]
nightly.LOCK_WAIT_S = float(os.environ.get("FAKE_LOCK_WAIT_S", "10"))


def worker(words: list[str]) -> int:
    name = words[1].removeprefix("board ")
    if name in os.environ.get("FAKE_HANGING_LIBRARY", "").split():
        BoardSite.bring_up = lambda *_: ctypes.PyDLL(None).sleep(1000)  # type: ignore[method-assign]
    guest.build_for_boards = lambda architecture: Path(os.environ["FAKE_BOARDS"]) / name / "programs"
    return night_worker.main(words)


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        night_worker.leave(lambda: worker(sys.argv[2:]))
    from drmsqueeze import cli
    sys.exit(cli.main(sys.argv[1:]))
