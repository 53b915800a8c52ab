# SPDX-License-Identifier: MIT
"""What the fuzz tests of both tiers share: inputs made of real ones that were spoilt, and what must hold for whatever comes.

Tier quick runs each of them a few times, always with the same inputs; tier long for a minute each, with others every time.
"""

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drmsqueeze import scenario
from drmsqueeze.errors import UsageError
from drmsqueeze.journal import Journal
from drmsqueeze.ring import RECORDS_OFFSET, SIZE, Ring
from drmsqueeze_results import kernel_log, lockdep, wait_chain
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.outcomes import judge, run_document

TOP = Path(__file__).resolve().parents[1]
DATA = TOP / "tests" / "data"
LOGS = [path.read_bytes() for path in sorted((DATA / "kernel_logs").glob("*.log"))]
RUNS = sorted((DATA / "runs").iterdir())
SCENARIOS = [json.loads(path.read_text()) for path in sorted((TOP / "configs").rglob("*.json")) if "schema.json" not in path.name]

# What readers stumble over: long runs of what a pattern repeats, nesting, numbers that fit nowhere, characters that are digits elsewhere.
ODD_BYTES = (b"\0", b"\r", b"\n", b"\x1b[0m", b"\xff\xfe", "٣²½".encode(), b"[    1.000000] ", b"[99999999999.9]", b" ", b"task:", b"pid:",
b"0" * 5000,
             b"? ", b"</TASK>", b"BUG: ", b"INFO: task ", b": ", b"/mm/a.c:1 ", b"(", b"[", b"{", b"+0x1/0x2")
ODD_VALUES: tuple[Any, ...] = (None, True, "", "x", "\0", "\ud800", -1, 0, 2**63, 2**64, 10**400, -0.0, 1e-320, 1e308, [], {}, [None],
{"": {}}, [[[]]], "9" * 5000)


def spoil(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few places cut, doubled, swapped or filled with what is odd; now and then a line of 100 kB."""
    for _ in range(chance.randint(1, 6)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        odd = chance.choice(ODD_BYTES)
        data = chance.choice((
            lambda: data[:at] + data[to:], lambda: data[:at] + data[at:to] * 2 + data[to:], lambda: data[:at] + odd + data[at:],
            lambda: data[:at] + bytes(reversed(data[at:to])) + data[to:],
            lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1:],
            lambda: data[:at] + odd * (100_000 // len(odd) if chance.random() < 0.05 else chance.randrange(50)) + data[at:],
        ))()
    return data


def spoil_json(value: Any, chance: random.Random) -> Any:
    """A JSON value with one of its parts replaced, left out, moved or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        how = chance.random()
        rest = {name: part for name, part in value.items() if name != key}
        if how < 0.1:
            return rest
        if how < 0.2:
            return rest | {chance.choice(list(value) + ["odd"]): value[key]}
        return value | {key: spoil_json(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], *([] if chance.random() < 0.1 else [spoil_json(value[at], chance)]), *value[at + (chance.random() < 0.9):]]
    return chance.choice(ODD_VALUES)


def _spoilt_document(text: str, chance: random.Random) -> str:
    try:
        return json.dumps(spoil_json(json.loads(text), chance))
    except ValueError:  # it was no document before: that is what its run is for
        return text


def kernel_log_holds(chance: random.Random) -> None:
    """The parser of logs answers whatever it is given, with signatures of bounded length and documents that are JSON."""
    text = b"".join(spoil(chance.choice(LOGS), chance) for _ in range(chance.randint(1, 4))).decode(errors="replace")
    lines = kernel_log.read_lines(text)
    for match in kernel_log.scan(lines):
        assert 0 < len(match.signature) <= kernel_log.SIGNATURE_CHARACTERS and "\n" not in match.signature
        json.dumps([match.t_s, match.excerpt], allow_nan=False)
    tasks = kernel_log.blocked_tasks(lines)
    json.dumps([[task.name, task.pid, task.t_s, task.frames] for task in tasks], allow_nan=False)
    for chain in wait_chain.chains(tasks):
        assert chain.steps and wait_chain.describe(chain)
    for cycle in lockdep.cycles(lines):
        assert lockdep.describe(cycle)
    lockdep.held_locks(lines)


def run_directory_holds(chance: random.Random) -> None:
    """A run directory with a spoilt file gets a verdict in its format, or is refused with a message; its jobs add up."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(shutil.copytree(chance.choice(RUNS), Path(place) / "run"))
        for path in chance.sample(sorted(directory.iterdir()), 2):
            if path.suffix in (".json", ".jsonl") and chance.random() < 0.7:
                texts = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
                path.write_text("\n".join(_spoilt_document(text, chance) for text in texts))
            else:
                path.write_bytes(spoil(path.read_bytes(), chance))
        try:
            run = judge(directory)
        except BadRunDirectory as refusal:
            assert str(refusal)
            return
        json.dumps(run_document(run), allow_nan=False)
        assert run.verdict.reasons or run.status.value == "pass"


def ring_holds(chance: random.Random) -> None:
    """Whatever stands in the ring, reading it ends, and the journal of what was read can be written."""
    with tempfile.TemporaryDirectory() as place:
        ring = Ring(Path(place) / "ring", {"some": "request"})
        with (Path(place) / "ring").open("r+b") as file:
            record_bytes, records = 128, chance.randrange(1, 200)
            file.seek(48)
            file.write(chance.choice((records, 2**63, 2**64 - 1, chance.randrange(1 << 20))).to_bytes(8, "little"))
            file.seek(RECORDS_OFFSET)
            for index in range(records):
                body = bytearray(chance.randbytes(record_bytes) if chance.random() < 0.3 else record_bytes)
                body[0:8] = (index + 1 if chance.random() < 0.95 else chance.randrange(1 << 64)).to_bytes(8, "little")
                body[16:18] = chance.randrange(13).to_bytes(2, "little")
                body[18:20] = chance.choice((0, 0, 1, 3, 6, 7, 65535)).to_bytes(2, "little")
                body[24:32] = chance.choice((0, 1, 2, 3, chance.randrange(1 << 64))).to_bytes(8, "little")
                body[56:128] = chance.choice((b"", b".", b"..", b"a", b"a/b", b"/etc/x", b"facts.json/x", b"d-state x",
                chance.randbytes(72))).ljust(72, b"\0")
                file.write(body)
            assert file.tell() <= SIZE
        directory = Path(place) / "run"
        directory.mkdir()
        journal = Journal(directory)
        for record in ring.read(final=True):
            journal.take(record)
        ring.close()
        journal.write()
        for path in (directory / "jobs.jsonl", directory / "samples.jsonl"):
            for line in path.read_text().splitlines():
                json.loads(line)
        assert {path.name for path in Path(place).iterdir()} == {"ring", "run"}, "written outside of its directory"


def scenario_holds(chance: random.Random) -> None:
    """A spoilt scenario is read, or refused with a message that names the file; what was read can be written and read again."""
    document: Any = chance.choice(SCENARIOS)
    for _ in range(chance.randint(1, 3)):
        document = spoil_json(document, chance)
    text = json.dumps(document)
    if chance.random() < 0.3:
        text = spoil(text.encode(), chance).decode(errors="replace")
    if chance.random() < 0.02:
        text = "[" * chance.randrange(200_000) + text
    try:
        read = scenario.parse(text, "x.json")
    except UsageError as refusal:
        assert str(refusal).startswith("x.json:")
        return
    again = scenario.parse(json.dumps(read.document, allow_nan=False), "x.json")
    assert again.sha256 == read.sha256
    read.scaled(2.5)


TARGETS: tuple[Callable[[random.Random], None], ...] = (kernel_log_holds, run_directory_holds, ring_holds, scenario_holds)
