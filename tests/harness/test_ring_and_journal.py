# SPDX-License-Identifier: MIT
"""The ring's reading side and the journal, fed with records as an agent writes them."""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drmsqueeze import ring as rings
from drmsqueeze.errors import UsageError
from drmsqueeze.journal import Journal
from drmsqueeze.machines import received
from drmsqueeze.ring import CAPACITY, RECORDS_OFFSET, EndFlag, Kind, Record, Ring

RECORD = struct.Struct("<QQHHIQqqq72s")


class Writer:
    """Writes records as the agent does: claim, fill, publish."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)
        self.claimed = 0

    def claim(self) -> int:
        self.claimed += 1
        self._file.seek(48)
        self._file.write(struct.pack("<Q", self.claimed))
        return self.claimed

    def publish(self, seq: int, kind: int, *, t_ns: int = 0, code: int = 0, client: int = 0, job: int = 0, a: int = 0, b: int = 0,
                c: int = 0, text: bytes = b"") -> None:
        self._file.seek(RECORDS_OFFSET + (seq - 1) % CAPACITY * RECORD.size)
        self._file.write(RECORD.pack(seq, t_ns, kind, code, client, job, a, b, c, text))

    def write(self, kind: int, **members: Any) -> None:
        self.publish(self.claim(), kind, **members)


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    one = Ring(tmp_path / "ring", {"level": 0.5})
    yield one
    one.close()


@pytest.fixture
def writer(ring: Ring, tmp_path: Path) -> Writer:
    return Writer(tmp_path / "ring")


def test_header_and_request_lie_where_the_agent_looks(ring: Ring, tmp_path: Path) -> None:
    content = (tmp_path / "ring").read_bytes()
    assert len(content) == rings.SIZE
    magic, version, record_size, records, capacity, request, size = struct.unpack_from("<8sIIQQQQ", content)
    assert (magic, version, record_size, records, request) == (b"DRMSQZR1", 1, 128, 1 << 20, 4096)
    assert records + capacity * record_size <= len(content)
    assert json.loads(content[request : request + size]) == {"level": 0.5}


def test_an_empty_ring_is_laid_out_again(ring: Ring, writer: Writer, tmp_path: Path) -> None:
    """As after a restore, which brings back what lay there when the guest was saved: nothing."""
    before = (tmp_path / "ring").read_bytes()
    with (tmp_path / "ring").open("r+b") as file:
        file.write(bytes(rings.SIZE))
    ring.lay_out()
    assert (tmp_path / "ring").read_bytes() == before
    writer.write(Kind.BEAT)
    assert [record.kind for record in ring.read()] == [Kind.BEAT]


def test_a_ring_to_wait_at_is_empty(tmp_path: Path) -> None:
    rings.make_empty(tmp_path / "ring")
    assert (tmp_path / "ring").read_bytes() == bytes(rings.SIZE)


def test_records_come_in_order_and_are_consumed(ring: Ring, writer: Writer, tmp_path: Path) -> None:
    for job in (1, 2, 3):
        writer.write(Kind.INTENT, job=job)
    assert [record.job for record in ring.read()] == [1, 2, 3]
    assert not list(ring.read())
    assert struct.unpack_from("<Q", (tmp_path / "ring").read_bytes(), 56) == (3,)


def test_what_is_given_out_is_on_the_disk_before(tmp_path: Path) -> None:
    """A harness that is killed between two records loses none that it has given room back for."""
    ring = Ring(tmp_path / "ring", {}, kept=tmp_path / received.FILE)
    writer = Writer(tmp_path / "ring")
    for job in (1, 2):
        writer.write(Kind.INTENT, job=job)
    reading = ring.read()
    assert next(reading).job == 1
    assert [record.job for record in received.stored(tmp_path)] == [1]
    assert [record.job for record in reading] == [2]
    ring.close()
    with (tmp_path / received.FILE).open("ab") as file:
        file.write(b"half a record")
    assert [record.job for record in received.stored(tmp_path)] == [1, 2]


def test_memory_of_a_killed_process_is_given_back_a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = f"drmsqueeze-test-{os.getpid()}-"
    with rings.scratch_in_memory(prefix) as used:
        left, fresh = Path(used + "-left"), Path(used + "-fresh")
        left.mkdir()
        fresh.mkdir()
        for directory in (left, Path(used)):
            os.utime(directory, (0, 0))
        with rings.scratch_in_memory(prefix):
            assert Path(used).exists() and fresh.exists() and not left.exists()
        fresh.rmdir()
    assert not Path(used).exists()


def test_an_unpublished_record_holds_back_the_rest_until_the_end(ring: Ring, writer: Writer) -> None:
    writer.write(Kind.INTENT, job=1)
    writer.claim()
    writer.write(Kind.INTENT, job=3)
    assert [record.job for record in ring.read()] == [1]
    assert [record.job for record in ring.read(final=True)] == [3]
    assert ring.torn == 1


def test_a_hole_that_a_killed_writer_left_does_not_hide_what_follows(
        ring: Ring, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.claim()
    assert not list(ring.read())
    monkeypatch.setattr(rings, "HOLE_S", -1.0)
    assert not list(ring.read()), "nothing is published behind it: its writer may live"
    writer.write(Kind.BEAT, job=2)
    assert [record.job for record in ring.read()] == [2]
    assert ring.torn == 1


def test_wraps_around(ring: Ring, writer: Writer) -> None:
    for start in range(0, CAPACITY + 10, 40000):
        for job in range(start, min(start + 40000, CAPACITY + 10)):
            writer.write(Kind.BEAT, job=job)
        assert [record.job for record in ring.read()] == list(range(start, min(start + 40000, CAPACITY + 10)))
    assert ring.torn == 0


def test_a_request_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too large for the ring"):
        Ring(tmp_path / "big", {"x": "y" * (1 << 20)})


def record(kind: int, **members: Any) -> Record:
    values: dict[str, Any] = {"seq": 1, "t_ns": 0, "code": 0, "client": 0, "job": 0, "a": 0, "b": 0, "c": 0, "raw_text": b""}
    return Record(kind=kind, **(values | members))


def written(directory: Path, *records: Record) -> tuple[Journal, list[dict[str, Any]]]:
    journal = Journal(directory)
    for one in records:
        journal.take(one)
    journal.write()
    return journal, [json.loads(line) for line in (directory / "jobs.jsonl").read_text().splitlines()]


def test_no_job_is_ever_lost(tmp_path: Path) -> None:
    journal, lines = written(
        tmp_path,
        *(record(Kind.INTENT, job=job, raw_text=b"tiler-heap") for job in (1, 2, 3)),
        record(Kind.SUBMIT, job=2, t_ns=5_000_000_000),
        record(Kind.END, job=1, code=0, b=1000),
        record(Kind.END, job=2, code=2, a=22, b=2000, c=EndFlag.LATE, raw_text=b"fence error"),
    )
    assert (journal.intents, journal.ended) == (3, 2)
    assert lines[0]["completed"]["count"] == 1
    assert [(line["job"], line["fate"]) for line in lines[1:]] == [(2, "failed"), (3, None)]
    assert lines[1] | {"errno": 22, "late": True, "submit_s": 5.0, "reason": "fence error"} == lines[1]


def test_a_second_end_does_not_count(tmp_path: Path) -> None:
    journal, lines = written(tmp_path, record(Kind.INTENT, job=1), record(Kind.END, job=1, code=5), record(Kind.END, job=1, code=0))
    assert journal.ended == 1
    assert [line["fate"] for line in lines] == ["hung"]


def test_histogram_keeps_count_and_extremes(tmp_path: Path) -> None:
    latencies = [1000, 1010, 250_000]
    _, lines = written(tmp_path, *(one for job, ns in enumerate(latencies, 1) for one in (
        record(Kind.INTENT, job=job, raw_text=b"s"), record(Kind.END, job=job, b=ns))))
    done = lines[0]["completed"]
    assert (done["count"], done["min_ns"], done["max_ns"], sum(done["counts"].values())) == (3, 1000, 250_000, 3)


def test_files_come_back_whole_and_stay_inside(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    written(
        directory,
        record(Kind.FILE, job=1, a=-1, raw_text=b"evidence/x.txt"),
        record(Kind.FILE, job=1, a=3, b=2, raw_text=b"de" + bytes(70)),
        record(Kind.FILE, job=1, a=0, b=3, raw_text=b"abc" + bytes(69)),
        record(Kind.FILE, job=2, a=-1, raw_text=b"../outside"),
        record(Kind.FILE, job=2, a=0, b=1, raw_text=b"x" + bytes(71)),
    )
    assert (directory / "evidence/x.txt").read_bytes() == b"abcde"
    assert not (tmp_path / "outside").exists()


def test_witnesses_are_counted_from_the_first(tmp_path: Path) -> None:
    journal, _ = written(tmp_path, record(Kind.WITNESS, t_ns=10**9, raw_text=b"late-fence", job=4),
                         record(Kind.WITNESS, t_ns=2 * 10**9, raw_text=b"late-fence", job=5))
    assert [(w["kind"], w["first_s"], w["count"], w["job"]) for w in journal.witnesses.values()] == [("late-fence", 1.0, 2, 4)]
    assert [w["last_s"] for w in journal.witnesses.values()] == [2.0]


def test_what_a_verdict_needs_of_the_times_is_kept(tmp_path: Path) -> None:
    """When the last completed job was begun, when all was given back and a late one ended, and whether the late one was late."""
    journal, lines = written(
        tmp_path, record(Kind.INTENT, job=1, t_ns=10**9, raw_text=b"s"), record(Kind.END, job=1, t_ns=2 * 10**9, b=1),
        record(Kind.INTENT, job=2, t_ns=3 * 10**9, raw_text=b"s"), record(Kind.WITNESS, t_ns=4 * 10**9, raw_text=b"late-fence", job=2),
        record(Kind.RELEASE, t_ns=5 * 10**9, code=0), record(Kind.RELEASE, t_ns=6 * 10**9, code=1, a=1),
        record(Kind.END, job=2, t_ns=7 * 10**9, code=4, c=EndFlag.LATE | EndFlag.AFTER_RELEASE))
    assert lines[0]["completed"]["last_intent_s"] == 1.0
    assert journal.release is not None and journal.release["done_s"] == 6.0
    assert (lines[1]["end_s"], lines[1]["late"], lines[1]["after_release"]) == (7.0, True, True)


def test_refused_attempts_belong_to_their_job(tmp_path: Path) -> None:
    """A job that completed after one is counted as repaired; another keeps how often it was refused, and what came of it."""
    _, lines = written(
        tmp_path, record(Kind.INTENT, job=1, raw_text=b"s"), record(Kind.SUBMIT, job=1, t_ns=10**9), record(Kind.REFUSED, job=1, a=22, b=1),
        record(Kind.REMEDIED, job=1, code=0, a=7), record(Kind.SUBMIT, job=1, t_ns=2 * 10**9), record(Kind.END, job=1, b=1),
        record(Kind.INTENT, job=2, raw_text=b"s"), record(Kind.END, job=2, b=1),
        record(Kind.INTENT, job=3, raw_text=b"s"), record(Kind.SUBMIT, job=3, t_ns=3 * 10**9), record(Kind.REFUSED, job=3, a=22, b=1),
        record(Kind.REMEDIED, job=3, code=0, a=7), record(Kind.SUBMIT, job=3, t_ns=4 * 10**9), record(Kind.REFUSED, job=3, a=22, b=2),
        record(Kind.REMEDIED, job=3, code=2, a=5), record(Kind.REMEDIED, job=3, code=99, a=5), record(Kind.END, job=3, code=2, a=22))
    assert (lines[0]["completed"]["count"], lines[0]["completed"]["repaired"]) == (2, 1)
    assert (lines[1]["refused"], lines[1]["remedies"], lines[1]["remedied_ns"]) == (2, {"applied": 1, "ran_out": 1}, 12)
    assert lines[1]["submit_s"] == 3.0, "that of the first attempt"


@pytest.mark.parametrize("flags, in_time", [(0, True), (EndFlag.LATE, False)])
def test_a_job_that_was_looked_at_late_is_told_from_a_late_one(tmp_path: Path, flags: int, in_time: bool) -> None:
    journal, _ = written(
        tmp_path, record(Kind.INTENT, job=2, raw_text=b"s"), record(Kind.WITNESS, t_ns=10**9, raw_text=b"late-fence", job=2),
        record(Kind.END, job=2, code=0, c=flags))
    assert journal.witnesses["late-fence", ""]["in_time"] is in_time


def test_reason_that_does_not_fit_into_a_record_is_completed_from_the_console(tmp_path: Path) -> None:
    journal, _ = written(tmp_path, record(Kind.BYE, a=95, raw_text=b"fail-function: panfro"))
    journal.complete_reason("boot\r\ndrmsqueeze-agent: hog: other\r\n[ 1.0] x\r\ndrmsqueeze-agent: fail-function: panfrost_x is not there\r\nend")
    assert journal.bye == {"code": 95, "reason": "fail-function: panfrost_x is not there"}
    journal.complete_reason("")
    assert journal.bye == {"code": 95, "reason": "fail-function: panfrost_x is not there"}


def test_samples_of_one_time_are_one_line(tmp_path: Path) -> None:
    written(tmp_path, record(Kind.SAMPLE, t_ns=1, raw_text=b"mem_free_kib", a=7), record(Kind.SAMPLE, t_ns=1, raw_text=b"oom_kill", a=0))
    assert json.loads((tmp_path / "samples.jsonl").read_text()) == {"t_s": 1e-9, "mem_free_kib": 7, "oom_kill": 0}
