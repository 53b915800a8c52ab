# SPDX-License-Identifier: MIT
"""Everything that reads what others wrote, for a minute each with other inputs every time: no crash, and no hang.

An input that fails is printed as the seed that makes it; TARGET(random.Random(SEED)) in tests/fuzzing.py shows it again.
"""

import json
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import fuzzing

SECONDS = 60
HANG_S = 60  # for one input; the slowest takes two seconds here


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"one input took more than {HANG_S} s")


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.__name__)
def test_readers_in_python(target: Callable[[random.Random], None]) -> None:
    signal.signal(signal.SIGALRM, _hangs)
    first, runs = secrets.randbits(48), 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        signal.alarm(HANG_S)
        try:
            target(random.Random(first + runs))
        except BaseException:
            print(f"seed {first + runs}")
            raise
        finally:
            signal.alarm(0)
        runs += 1
    print(f"{target.__name__}: {runs} inputs from seed {first} on")


def test_scenario_reader_of_the_agent(tmp_path: Path) -> None:
    """libFuzzer, with AddressSanitizer and UBSan, from the scenarios that there are."""
    program = tmp_path / "scenario_fuzzer"
    built = subprocess.run(
        ["clang++", "-std=c++20", "-g", "-O1", "-DFMT_HEADER_ONLY", "-fsanitize=fuzzer,address,undefined",
        "-fno-sanitize-recover=undefined",
         f"-I{fuzzing.TOP}", "-o", program, *(fuzzing.TOP / name for name in ("tests/fuzz/scenario_fuzzer.cc", "agent/scenario.cc",
         "agent/json_reader.cc"))],
        capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-4000:]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, scenario in enumerate(fuzzing.SCENARIOS):
        request = {"schema": "drmsqueeze.request/1", "level": 0.05, "seed": 7, "time_scale": 1.0, "deadline_ms": 1500, "grace_ms": 500,
        "scenario": scenario}
        (corpus / str(number)).write_text(json.dumps(request))
    ran = subprocess.run([program, f"-max_total_time={SECONDS}", f"-timeout={HANG_S}", "-rss_limit_mb=2048", "-max_len=20000", corpus],
    cwd=tmp_path,
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    print(ran.stderr.splitlines()[-1])


def test_a_reader_that_fails_is_found() -> None:
    """Negative control: a target that cannot stand one odd thing in a hundred does not get through a second."""
    def fragile(chance: random.Random) -> None:
        assert b"\0" not in fuzzing.spoil(b"[    1.000000] a line", chance)

    with pytest.raises(AssertionError):
        for seed in range(1000):
            fragile(random.Random(seed))
