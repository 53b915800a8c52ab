# SPDX-License-Identifier: MIT
import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drmsqueeze import TOP, scenario
from drmsqueeze.errors import UsageError

GOOD: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "x", "target": {"driver": "panfrost", "model": "mali-jm"},
    "stressors": [{"kind": "tiler-heap"}], "injectors": [{"kind": "hog"}],
    "model_faults": [{"fault": "delay_job", "value": 1000}],
}


def changed(**members: Any) -> str:
    return json.dumps(copy.deepcopy(GOOD) | members)


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(scenario.SCHEMA.read_text()))


def test_every_scenario_of_the_tree_is_good() -> None:
    files = [path for path in (TOP / "configs").rglob("*.json") if path != scenario.SCHEMA]
    assert files
    for path in files:
        assert scenario.load(path)["description"], f"{path} says nothing about itself"


def test_defaults_are_written_out() -> None:
    one = scenario.parse(json.dumps(GOOD), "f.json")
    assert one["stressors"][0]["heap_mib"] == 16
    assert one["injectors"][0]["access"] == "cold"
    assert one["machine"] == {"ram_mib": 256, "vcpus": 2, "zram_mib": 192}
    assert one["levels"] == [1.0]


@pytest.mark.parametrize("injector", [{"kind": "fail-page-alloc"}, {"kind": "failslab"}, {"kind": "fail-function", "function": "f"}])
def test_fault_attributes_share_their_knobs_defaults(injector: dict[str, Any]) -> None:
    one = scenario.parse(changed(injectors=[injector]), "f.json")["injectors"][0]
    assert (one["probability"], one["interval"], one["times"], one["space"], one["verbose"]) == (100, 1, 1000000, 0, 1)
    assert "scope" not in one


def test_injectors_of_different_kinds_go_together() -> None:
    together = [{"kind": "failslab"}, {"kind": "fail-page-alloc"}, {"kind": "fail-function", "function": "f"}, {"kind": "hog"}]
    assert len(scenario.parse(changed(injectors=together), "f.json")["injectors"]) == 4


def test_defaults_written_out_by_hand_make_the_same_scenario() -> None:
    one = scenario.parse(json.dumps(GOOD), "f.json")
    assert scenario.parse(json.dumps(one.document), "f.json").sha256 == one.sha256


def test_times_are_scaled_and_the_scenario_is_not_changed() -> None:
    one = scenario.parse(changed(deadline_ms=100), "f.json")
    scaled = one.scaled(2.5)
    assert (scaled["deadline_ms"], scaled["driver_timeout_ms"], scaled["model_faults"][0]["value"]) == (250, 1250, 2500)
    assert one["deadline_ms"] == 100


def test_times_of_a_memcg_are_scaled() -> None:
    one = scenario.parse(changed(injectors=[{"kind": "memcg", "schedule": [{"at_ms": 100, "over_ms": 10, "max_mib": None}],
                                             "reclaim": [{"every_ms": 20, "mib": 1}]}]), "f.json")
    memcg = one.scaled(2.5)["injectors"][0]
    assert memcg["schedule"] == [{"at_ms": 250, "over_ms": 25, "max_mib": None}]
    assert memcg["reclaim"] == [{"every_ms": 50, "mib": 1}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "f.json:1:2: not JSON"),
        (changed(stresors=[]), "f.json: /stresors: found an unknown member; expected one of: schema, name"),
        (changed(stressors=[{"kind": "tiler-heap", "heap_mb": 3}]),
         "f.json: /stressors/0/heap_mb: found an unknown member; expected one of: kind, heap_mib"),
        (changed(stressors=[{"kind": "bo-chrun"}]), 'f.json: /stressors/0/kind: found "bo-chrun"; expected one of "tiler-heap"'),
        (changed(stressors=[]), "f.json: /stressors: found []; expected at least 1 items"),
        (changed(stressors=[{"kind": "tiler-heap", "heap_mib": 3}]), "/stressors/0/heap_mib: found 3; expected a multiple of 2"),
        (changed(levels=[1.5]), "f.json: /levels/0: found 1.5; expected at most 1"),
        (changed(levels=[0.5], injectors=[{"kind": "hog", "steer": {"psi_some_percent": 5}}]),
         "f.json: /levels: found a level below 1 and a hog that steers"),
        (changed(levels=[0.5, 0.5]), "f.json: /levels: found [0.5, 0.5]; expected no value twice"),
        (changed(deadline_ms="soon"), 'f.json: /deadline_ms: found "soon"; expected integer'),
        (changed(expect={"lab": {"exploded": [0, 0]}}), 'f.json: /expect/lab/exploded: found no fate, no kind of finding and no count; expected one of: completed'),
        (changed(target={"driver": "nouveau"}), 'f.json: /target/driver: found "nouveau"; expected one of "panfrost"'),
        (changed(levels=[0.5], injectors=[]), 'f.json: /levels: found a level below 1 and no injector of kind "hog"'),
        (changed(injectors=[{"kind": "hog"}, {"kind": "hog"}]), 'f.json: /injectors: found 2 of kind "hog"; expected one'),
        (changed(expect={"lab": {"failed": [5, 1]}}), "f.json: /expect/lab/failed: found [5, 1]; expected [fewest, most]"),
        (changed(levels=[float("nan")]), "f.json: not JSON: NaN is no JSON"),
        (changed(target={"driver": "panfrost"}), 'f.json: /target: found no member "model"'),
    ],
)
def test_bad_input_names_file_place_found_and_expected(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        scenario.parse(text, "f.json")
    assert complaint in str(raised.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        scenario.parse(changed(levels=[2], runs=0), "f.json")
    assert len(str(raised.value).splitlines()) == 2


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        scenario.load(tmp_path / "none.json")


def test_only_a_model_with_a_firmware_has_a_policy_without_memory() -> None:
    csf = {"driver": "panthor", "model": "mali-csf", "oom_null": "wait"}
    assert scenario.parse(changed(target=csf), "f.json")["target"]["oom_null"] == "wait"
    with pytest.raises(UsageError, match="oom_null"):
        scenario.parse(changed(target=csf | {"model": "mali-jm"}), "f.json")
    with pytest.raises(UsageError, match="oom_null"):
        scenario.parse(changed(target=csf | {"oom_null": "never"}), "f.json")


@pytest.mark.parametrize("words, place", [
    ({"args": ["--vm", "1", "--exec", "1"]}, "/args/2"), ({"args": ["--log-file", "x"]}, "/args/0"), ({"args": ["-m", "1"]}, "/args/0"),
    ({"args": ["--vm=/dev/mem"]}, "/args/0"), ({"args": ["--vm", "../x"]}, "/args/1"), ({"args": ["--vm-madvise", "hwpoison"]}, "/args/0"),
    ({"args": ["--cpu-online", "1"]}, "/args/0"), ({"args": ["--vm-by", "1"]}, "/args/0"), ({"args": ["--vm\n", "1"]}, "/args/0"),
    ({"stressors": [{"name": "vm", "options": ["--module-name", "x"]}]}, "/stressors/0/options/0"),
    ({"stressors": [{"name": "swap"}]}, "/stressors/0/name"), ({"stressors": [{"name": "vm\n"}]}, "/stressors/0/name"),
    ({"job_file": "vm 1\nexec 1"}, "/job_file"), ({"job_file": "vm 1 --exec"}, "/job_file"),
    ({"job_file": "# " + 4094 * "a" + "exec 1"}, "/job_file"),
])
def test_stress_ng_runs_no_program_and_turns_no_knob(words: dict[str, Any], place: str) -> None:
    with pytest.raises(UsageError, match=f"f.json: /injectors/0{place}: found .*; expected"):
        scenario.parse(changed(injectors=[{"kind": "stress-ng"} | words]), "f.json")


@pytest.mark.parametrize("words", [{"args": ["--vm", "2", "--vm-bytes=50%", "--verify"]}, {"job_file": "run parallel\n# two\nvm 2\nvm-keep\n"},
                                   {"stressors": [{"name": "vm", "options": ["--vm-method", "zero-one"]}]}])
def test_stress_ng_loads(words: dict[str, Any]) -> None:
    scenario.parse(changed(injectors=[{"kind": "stress-ng"} | words]), "f.json")


def test_the_agent_knows_the_same_words_of_stress_ng() -> None:
    source = (TOP / "injectors" / "stress_ng_options.cc").read_text()
    table = source[source.index("kAllowed =") : source.index(";", source.index("kAllowed ="))]
    assert "".join(re.findall('"([^"]*)"', table)).split() == scenario.rule_at("#/$defs/stress-ng-option")["enum"]
    names = scenario.rule_at("#/$defs/stress-ng")["properties"]["stressors"]["items"]["properties"]["name"]["enum"]
    assert set(names) < set(scenario.rule_at("#/$defs/stress-ng-option")["enum"])


@pytest.mark.parametrize("members", [{"name": "x\n"}, {"injectors": [{"kind": "fail-function", "function": "f\n"}]},
                                     {"injectors": [{"kind": "fail-function", "function": "../f"}]},
                                     {"injectors": [{"kind": "failslab", "caches": ["../x"]}]},
                                     {"injectors": [{"kind": "failslab", "scope": {"module": "../x"}}]},
                                     {"target": {"driver": "panfrost", "model": "../x"}}, {"target": {"driver": "../x"}}])
def test_names_that_become_paths_are_names(members: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="; expected"):
        scenario.parse(changed(**members), "f.json")
