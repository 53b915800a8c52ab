# SPDX-License-Identifier: MIT
import os
from pathlib import Path

import pytest

from drmsqueeze import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_builds_once_for_the_same_inputs() -> None:
    built: list[Path] = []
    first = cache.get("things", {"a": "1"}, built.append)
    again = cache.get("things", {"a": "1"}, built.append)
    other = cache.get("things", {"a": "2"}, built.append)
    assert first == again != other
    assert built == [first, other]


def test_interrupted_build_is_not_taken_for_a_whole_one() -> None:
    def interrupted(path: Path) -> None:
        (path / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get("things", {"a": "1"}, interrupted)
    assert cache.find("things", {"a": "1"}) is None

    def whole(path: Path) -> None:
        assert not (path / "half").exists(), "the next build starts from nothing"

    assert (cache.get("things", {"a": "1"}, whole) / cache.COMPLETE).exists()


def test_tree_digest_sees_names_contents_and_run_bits(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    file = tree / "file"
    file.write_text("one")
    digests = [cache.tree_digest(tree)]
    file.write_text("three")
    digests.append(cache.tree_digest(tree))
    file.chmod(0o755)
    digests.append(cache.tree_digest(tree))
    file.rename(tree / "other")
    digests.append(cache.tree_digest(tree))
    assert len(set(digests)) == 4


def test_trim_removes_what_was_used_longest_ago_and_what_is_not_whole() -> None:
    def build(path: Path) -> None:
        (path / "big").write_bytes(bytes(100_000))

    entries = [cache.get("things", {"a": str(n)}, build) for n in range(3)]
    for n, entry in enumerate(entries):
        os.utime(entry, (n, n))
    cache.touch(entries[0])
    half = entries[0].parent / "half"
    half.mkdir()
    cache.trim("things", 250_000)
    assert [entry.exists() for entry in (*entries, half)] == [True, False, True, False]
    cache.trim("none", 0)


def test_trim_leaves_what_somebody_builds() -> None:
    def build(path: Path) -> None:
        cache.trim("things", 0)
        assert path.exists()

    assert cache.get("things", {"a": "1"}, build).exists()


def test_forgotten_is_built_again() -> None:
    built: list[Path] = []
    entry = cache.get("things", {"a": "1"}, built.append)
    cache.forget("things", {"a": "1"})
    assert not entry.exists() and cache.find("things", {"a": "1"}) is None
    assert cache.get("things", {"a": "1"}, built.append) == entry and len(built) == 2
