# SPDX-License-Identifier: MIT
"""Records that come by two ways, ssh and the console, each of which may lose some: what is known in the end, and in what order."""

import base64
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from drmsqueeze.machines import received
from drmsqueeze.machines.console import decode
from drmsqueeze.machines.received import NEVER_WRITTEN, Received, stored
from drmsqueeze.ring import Kind, unpack
from fake_board import record

AGENT = 77


def told(data: bytes, agent: int = AGENT) -> bytes:
    """The digits of a line as agent/console_teller.cc writes them."""
    data = data.rstrip(b"\0")
    whole = data + zlib.crc32(agent.to_bytes(4, "little") + data).to_bytes(4, "little")
    return base64.b64encode(whole + bytes(-len(whole) % 3))


class Console:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def take(self) -> list[bytes]:
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def records(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """Where ssh brings nothing, and what the console tells has an hour."""
    monkeypatch.setattr(received, "RETRY_S", 0.05)
    made = Received(tmp_path, lambda first: ["false"], console.take, 3600)
    yield made
    made.close()


def beat(seq: int) -> bytes:
    return record(seq, Kind.BEAT, a=seq)


def test_the_agent_s_line_is_read() -> None:
    """The same bytes as in tests/cpp/board_test.cc."""
    line = (Path(__file__).parents[1] / "cpp" / "board_test.cc").read_text().split("drmsqueeze-record: ")[1].split("\\n")[0]
    data = decode(line.encode(), AGENT)
    assert data and (unpack(data).seq, unpack(data).kind) == (1, Kind.BEAT)


@pytest.mark.parametrize("text", [b"", b"a", b"ab", b"abc", 72 * b"\xff"])
def test_a_line_that_was_spoiled_says_nothing_wrong(text: bytes) -> None:
    data = record(5, Kind.INTENT, job=9, text=text.decode("latin-1"))[:56] + text.ljust(72, b"\0")
    digits = told(data)
    assert decode(digits, AGENT) == data
    assert decode(digits, AGENT + 1) is None, "of another run"
    for at in range(len(digits)):
        other = b"B" if digits[at:at + 1] == b"A" else b"A"
        for spoiled in (digits[:at] + digits[at + 1:], digits[:at] + other + digits[at + 1:], digits[:at]):
            assert decode(spoiled, AGENT) in (None, data), "what it says is right, or it says nothing"
    assert decode(digits[:8] + b"[   12.3] x" + digits[8:], AGENT) is None


def test_what_is_told_again_later_fills_the_gap(records: Received, console: Console, tmp_path: Path) -> None:
    console.lines = [beat(1), beat(3), beat(4)]
    assert [r.seq for r in records.read()] == [1]
    assert [r.seq for r in records.read()] == [], "3 and 4 wait"
    console.lines = [beat(1), beat(2), beat(3), beat(4), beat(5)]
    assert [r.seq for r in records.read()] == [2, 3, 4, 5]
    assert (records.torn, records.by_console) == (0, 5), "each is counted once"
    assert [r.seq for r in stored(tmp_path)] == [1, 2, 3, 4, 5]


def test_what_was_never_written_is_not_waited_for(records: Received, console: Console) -> None:
    console.lines = [beat(1), record(2, NEVER_WRITTEN), beat(3)]
    assert [r.seq for r in records.read()] == [1, 3] and records.torn == 1


def test_a_record_that_was_slow_to_be_written_is_taken(records: Received, console: Console) -> None:
    console.lines = [record(2, NEVER_WRITTEN), beat(2), beat(1)]
    assert [r.seq for r in records.read()] == [1, 2] and records.torn == 0


def test_in_the_end_what_never_came_is_counted(records: Received, console: Console) -> None:
    console.lines = [beat(2), beat(5)]
    assert list(records.read()) == []
    assert [r.seq for r in records.read(final=True)] == [2, 5] and records.torn == 3


def test_what_the_console_lost_ssh_brings(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received, "RETRY_S", 0.05)
    (tmp_path / "data").write_bytes(b"".join(beat(seq) for seq in range(1, 7)))
    send = "import sys; sys.stdout.buffer.write(b'drmsqueeze-records: id\\n' + open(sys.argv[1], 'rb').read()[(int(sys.argv[2]) - 1) * 128:])"
    up = False
    made = Received(tmp_path, lambda first: [sys.executable, "-c", send, str(tmp_path / "data"), str(first)] if up else ["false"], console.take, 3600)
    console.lines = [beat(1), beat(3)]
    taken = [r.seq for r in made.read()]
    up = True
    until = time.monotonic() + 60
    while len(taken) < 6 and time.monotonic() < until:
        taken += [r.seq for r in made.read()]
        time.sleep(0.01)
    assert taken == [1, 2, 3, 4, 5, 6] and made.torn == 0
    made.close()


def test_what_a_connection_has_passed_over_was_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received, "GAP_S", 0.05)
    (tmp_path / "data").write_bytes(beat(1) + beat(3))
    made = Received(tmp_path, lambda first: ["sh", "-c", f"echo 'drmsqueeze-records: id'; cat {tmp_path}/data; sleep 100"], list, 3600)
    taken: list[int] = []
    until = time.monotonic() + 60
    while len(taken) < 2 and time.monotonic() < until:
        taken += [r.seq for r in made.read()]
        time.sleep(0.01)
    assert taken == [1, 3] and made.torn == 1
    made.close()
