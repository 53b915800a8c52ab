# SPDX-License-Identifier: MIT
"""A little of tests/long/test_fuzz.py, always with the same inputs; and what it has found once."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import fuzzing
from drmsqueeze import scenario
from drmsqueeze.errors import UsageError
from drmsqueeze.journal import Journal
from drmsqueeze.ring import CAPACITY, FATES, Kind, Record, Ring

INPUTS = 40


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.__name__)
def test_readers(target: Callable[[random.Random], None]) -> None:
    for seed in range(10 if target is fuzzing.ring_holds else INPUTS):
        target(random.Random(seed))


def test_a_count_of_garbage_does_not_keep_the_reader_for_ever(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", {})
    with (tmp_path / "ring").open("r+b") as file:
        file.seek(48)
        file.write((2**64 - 1).to_bytes(8, "little"))
    assert list(ring.read(final=True)) == [] and ring.torn == CAPACITY


def _record(kind: Kind, code: int = 0, a: int = 0, text: bytes = b"") -> Record:
    return Record(1, 1, kind, code, 0, 1, a, 0, 0, text)


def test_an_end_with_no_known_fate_leaves_the_job_without_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.take(_record(Kind.INTENT, text=b"tiler-heap"))
    journal.take(_record(Kind.END, code=len(FATES)))
    journal.write()
    assert json.loads((tmp_path / "jobs.jsonl").read_text())["fate"] is None


def test_a_file_whose_name_is_a_directory_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.take(_record(Kind.FILE, a=-1, text=b"."))
    journal.take(_record(Kind.FILE, a=0, text=b"x"))
    journal.write()


def test_a_scenario_nested_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="x.json: not JSON"):
        scenario.parse("[" * 100_000, "x.json")


def test_a_number_that_no_register_holds_is_refused() -> None:
    """JSON's 1e308 is a whole number; times any scale above 1 it is none."""
    document = next(document for document in fuzzing.SCENARIOS if document.get("model_faults"))
    document = document | {"model_faults": [{"fault": "delay_job", "value": 1e308}]}
    with pytest.raises(UsageError, match="/model_faults/0/value"):
        scenario.parse(json.dumps(document), "x.json")
