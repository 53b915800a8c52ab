# SPDX-License-Identifier: MIT
"""The index of a history: always what the directories hold, whatever became of it or of them; and the command that prints it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drmsqueeze.cli import main
from drmsqueeze_results import history, history_index
from drmsqueeze_results.documents import validate, write_json
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.history_index import NAME, BadIndex, open_index
from golden_data import DATA, edit
from many_runs import FIRST, Made, campaign, make, night

NOW = FIRST.timestamp() + 400 * 86400
TOP = Path(__file__).parents[2]


def look(directory: Path, *more: Path, file: Path | None = None) -> tuple[history.History, history_index.Sync]:
    index, sync = open_index([directory, *more], file)
    try:
        return history.look(index, NOW), sync
    finally:
        index.connection.close()


def broken(directory: Path) -> dict[str, str]:
    index, _ = open_index([directory])
    return {Path(path).parent.name: error for path, error in index.connection.execute("SELECT path, error FROM broken")}


def run_of(directory: Path, number: int = 0) -> Path:
    return directory / "panfrost-heap" / f"{number:04d}" / "run.json"


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    make(tmp_path, [Made(0)] * 3)
    assert look(tmp_path)[1].read == 3
    assert look(tmp_path)[1].read == 0
    edit(run_of(tmp_path), verdict={"status": "fail", "reason_code": "x", "reasons": []})
    seen, sync = look(tmp_path)
    assert (sync.read, seen.trends[0].since) == (1, history.Count(1, 3))
    shutil.rmtree(run_of(tmp_path, 1).parent)
    seen, sync = look(tmp_path)
    assert (sync.read, sync.gone, seen.runs) == (0, 1, 2)


def test_an_index_made_anew_says_the_same(tmp_path: Path) -> None:
    make(tmp_path, list(campaign(400)))
    first, _ = look(tmp_path)
    shutil.rmtree(tmp_path / "scenario-03" / "0003")
    updated, _ = look(tmp_path)
    (tmp_path / NAME).unlink()
    anew, sync = look(tmp_path)
    assert (anew, sync.read, sync.note) == (updated, 399, None)
    assert first != updated


def _garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def _half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)


def _stub(file: Path) -> None:
    os.truncate(file, 1000)


def _holes(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:20480] = bytes(16384)
    file.write_bytes(data)


def _older(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE meta SET stamp = 'of old'")
    database.close()


def _foreign(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE run (name TEXT)")
    database.close()


@pytest.mark.parametrize("spoil", [_garbage, _half, _stub, _holes, _older, _foreign])
def test_a_spoilt_index_is_made_anew(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    make(tmp_path, list(campaign(100)))
    first, _ = look(tmp_path)
    spoil(tmp_path / NAME)
    anew, sync = look(tmp_path)
    assert anew == first
    assert sync.note and "made anew" in sync.note and sync.read == 100
    assert look(tmp_path)[1].note is None


def test_a_strangers_file_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "runs", [Made(0)])
    thesis = tmp_path / "thesis.db"
    with sqlite3.connect(thesis) as database:
        database.execute("CREATE TABLE chapter (words TEXT)")
    database.close()
    before = thesis.read_bytes()
    for rebuild in (False, True):
        with pytest.raises(BadIndex, match="no index"):
            open_index([tmp_path / "runs"], thesis, rebuild)
    assert thesis.read_bytes() == before


def test_where_nothing_can_be_written_it_is_in_memory(tmp_path: Path) -> None:
    """A directory in the index's place stands for a file system that is read-only, which root would write to all the same."""
    make(tmp_path, [Made(0)] * 2)
    (tmp_path / NAME).mkdir()
    seen, sync = look(tmp_path)
    assert seen.runs == 2 and sync.note and "in memory" in sync.note
    (tmp_path / "named").mkdir()
    with pytest.raises(ResultsError):
        look(tmp_path, file=tmp_path / "named")


def test_a_run_counts_once_by_whatever_path(tmp_path: Path) -> None:
    make(tmp_path / "lab" / "deep" / "down", [Made(0)] * 3)
    (tmp_path / "lab" / "deep" / "loop").symlink_to(tmp_path / "lab")
    (tmp_path / "other").symlink_to(tmp_path / "lab" / "deep")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    hard = tmp_path / "hard"
    hard.mkdir()
    os.link(run_of(tmp_path / "lab" / "deep" / "down"), hard / "run.json")
    shutil.copytree(tmp_path / "lab" / "deep" / "down", tmp_path / "copy")
    seen, sync = look(tmp_path, tmp_path / "lab", tmp_path / "other", tmp_path / "lab" / "deep" / "down" / "panfrost-heap")
    assert (seen.runs, len(sync.walk.runs)) == (3, 6)


def test_of_two_copies_the_one_judged_last_counts(tmp_path: Path) -> None:
    make(tmp_path / "a", [Made(0)])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    edit(run_of(tmp_path / "b"), verdict={"status": "fail", "reason_code": "x", "reasons": []})
    assert look(tmp_path)[0].trends[0].since == history.Count(1, 1)
    shutil.rmtree(tmp_path / "b")
    assert look(tmp_path)[0].trends[0].since == history.Count(0, 1)


def test_two_runs_that_are_alike_are_two(tmp_path: Path) -> None:
    """Without a time of their own they are known by their place alone."""
    make(tmp_path, [Made(0)])
    edit(run_of(tmp_path), started=None)
    shutil.copytree(run_of(tmp_path).parent, tmp_path / "0001")
    seen, _ = look(tmp_path)
    assert (seen.runs, seen.file_dated) == (2, 2)


def test_an_older_run_has_the_time_of_its_facts(tmp_path: Path) -> None:
    """Judging writes run.json anew, and that is not when the run was."""
    make(tmp_path, [Made(0)])
    edit(run_of(tmp_path), started=None)
    facts = run_of(tmp_path).with_name("facts.json")
    facts.write_text("{}")
    os.utime(facts, (FIRST.timestamp() - 5 * 86400,) * 2)
    assert look(tmp_path)[0].last == night(-5)


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", '{"schema": "drmsqueeze.run/2"}', "\ufeff{}", "[" * 100000, '{"level": NaN}'])
def test_a_broken_run_is_told(tmp_path: Path, text: str) -> None:
    make(tmp_path, [Made(0)] * 2)
    run_of(tmp_path, 1).write_text(text)
    assert look(tmp_path)[0].runs == 1
    assert list(broken(tmp_path)) == ["0001"]
    shutil.copy(run_of(tmp_path), run_of(tmp_path, 1))
    assert not broken(tmp_path)


@pytest.mark.parametrize("members", [
    {"level": float("nan")}, {"index": 2**63, "level": 0.5, "scenario": {"name": "x", "sha256": None, "seed": 2**63}},
    {"scenario": {"name": "\ud800", "sha256": None, "seed": 1}}, {"started": "2026-99-01T00:00:00Z"},
    {"jobs": {"submitted": 3, **{fate: 0 for fate in ("completed", "corrupted", "failed", "timed_out", "stalled", "hung", "lost")}}},
    {"findings": [{"kind": "warn", "signature": "\udfff", "count": 1, "first_s": None, "expected": False, "excerpt": ""}]}])
def test_a_run_that_no_database_takes_is_told(tmp_path: Path, members: dict[str, object]) -> None:
    make(tmp_path, [Made(0)] * 2)
    edit(run_of(tmp_path, 1), **members)
    assert look(tmp_path)[0].runs == 1
    assert list(broken(tmp_path)) == ["0001"]


def test_odd_names_are_kept(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff [red]\n\x1b[31m"))
    make(odd, [Made(0)])
    assert look(tmp_path)[0].runs == 1
    assert look(tmp_path)[1].read == 0


def test_no_plain_file_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, [Made(0)])
    for name, make_it in (("fifo", lambda path: os.mkfifo(path)), ("null", lambda path: path.symlink_to("/dev/zero"))):
        (tmp_path / name).mkdir()
        make_it(tmp_path / name / "run.json")
    assert look(tmp_path)[0].runs == 1
    assert set(broken(tmp_path)) == {"fifo", "null"}


def test_thousands_of_wrecks_cost_nothing_but_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [Made(0)])
    for number in range(2000):
        wreck = tmp_path / "wrecks" / f"{number:04d}"
        wreck.mkdir(parents=True)
        (wreck / ("run.json", "facts.json", "request.json")[number % 3]).write_text('{"schema": "drms')
    assert main(["history", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "and 666 more: not JSON" in said and "and 1332 more" in said
    assert len(said.splitlines()) < 20


WRITER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from drmsqueeze_results import history_index
print("begun", flush=True)
index, sync = history_index.open_index([Path({directory!r})])
print(sync.read, sync.note, flush=True)
"""


def _start(directory: Path) -> "subprocess.Popen[str]":
    code = WRITER.format(path=[str(TOP / "results")], directory=str(directory))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_killed_in_the_middle(tmp_path: Path) -> None:
    make(tmp_path, list(campaign(300)))
    whole, _ = look(tmp_path)
    (tmp_path / NAME).unlink()
    for _ in range(3):
        with _start(tmp_path) as writer:
            assert writer.stdout and writer.stdout.readline() == "begun\n"
            while not (tmp_path / f"{NAME}-journal").exists() and writer.poll() is None:
                pass
            writer.send_signal(signal.SIGKILL)
    assert look(tmp_path)[0] == whole


def test_two_at_once(tmp_path: Path) -> None:
    make(tmp_path, list(campaign(300)))
    writers = [_start(tmp_path) for _ in range(3)]
    said = sorted(writer.communicate()[0].split("\n")[1] for writer in writers)
    assert said == ["0 None", "0 None", "300 None"]
    assert look(tmp_path)[1].read == 0


def test_golden_runs(golden: Callable[[str], Path]) -> None:
    from drmsqueeze_results.outcomes import judge

    places = [golden(path.name) for path in sorted((DATA / "runs").iterdir())]
    for place in places:
        judge(place)
    seen, sync = look(places[0].parent)
    assert (seen.runs, sync.read) == (len(places), len(places))
    assert not broken(places[0].parent)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, list(campaign(600, nights=10)))
    run_of(tmp_path).parent.mkdir(parents=True)
    run_of(tmp_path).write_text("{")
    assert main(["history", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for part in ("new         hung-task: irq/N-panfro: shrink_slab", "0 of ", "flaky", "broken, and not counted"):
        assert part in said
    assert main(["history", str(tmp_path), "--markdown", "--since", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("## drmsqueeze history") and "| new | scenario-03 | vm/tcg |" in " ".join(said.split())
    assert main(["history", str(tmp_path), "--json", "--scenario", "scenario-03"]) == 0
    document = json.loads(capsys.readouterr().out)
    validate(document, "history", "history --json", ResultsError)
    assert {finding["series"]["scenario"] for finding in document["findings"]} == {"scenario-03"}
    assert len(document["index"]["broken"]) == 1
    assert main(["history", str(tmp_path), "--since", "soon"]) == 2
    assert main(["history", str(tmp_path / "nowhere")]) == 3
    (tmp_path / "empty").mkdir()
    assert main(["history", str(tmp_path / "empty")]) == 2


def test_it_is_read_only_where_it_only_reads(tmp_path: Path) -> None:
    """The run directories are as they were; what is added is the index."""
    make(tmp_path, [Made(0)] * 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    look(tmp_path)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != NAME}
    assert after == before


def test_write_json_changes_what_is_looked_at(tmp_path: Path) -> None:
    """A verdict of the same length at the same time: the file that takes its place is another one."""
    make(tmp_path, [Made(0)])
    document = json.loads(run_of(tmp_path).read_text())
    write_json(run_of(tmp_path), document)
    look(tmp_path)
    status = run_of(tmp_path).stat()
    write_json(run_of(tmp_path), document | {"verdict": document["verdict"] | {"status": "fail"}})
    assert run_of(tmp_path).stat().st_size == status.st_size
    os.utime(run_of(tmp_path), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert look(tmp_path)[0].trends[0].since == history.Count(1, 1)
