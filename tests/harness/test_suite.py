# SPDX-License-Identifier: MIT
"""The suite of short scenarios covers what there is."""

import json

import pytest

from drmsqueeze import TOP, scenario

SUITE = sorted((TOP / "configs/suite").glob("*.json"))
KINDS = [(part, kind) for part in ("stressors", "injectors")
         for kind in json.loads(scenario.SCHEMA.read_text())["properties"][part]["items"]["properties"]["kind"]["enum"]]


@pytest.mark.parametrize(("part", "kind"), KINDS, ids=lambda value: str(value))
def test_every_kind_has_a_short_scenario(part: str, kind: str) -> None:
    assert any(entry["kind"] == kind for path in SUITE for entry in scenario.load(path)[part])


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.stem)
def test_each_is_named_like_its_file_explained_and_can_fail(path: object) -> None:
    one = scenario.load(path)  # type: ignore[arg-type]
    assert one.name == path.stem and one["description"] and one["runs"] == 1  # type: ignore[attr-defined]
    assert one["expect"], "a scenario that expects nothing in particular wants every job completed; say so"
