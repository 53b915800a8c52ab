# SPDX-License-Identifier: MIT
"""What can be taken away from a scenario, and which of its values can be made less: read from configs/scenario.schema.json.

A part is an item of a list. A value is less than another as the schema says it (its own word `shrinks`).
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drmsqueeze import scenario
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario

Path = tuple[str | int, ...]
# Lists of the scenario itself whose items are parts, those that weigh most first; levels are a value here, for a run has one.
LISTS = ("injectors", "stressors", "traps", "model_faults", "phases")


@dataclass(frozen=True)
class Part:
    """An item of a list, by its place in the scenario that the parts were looked for in.

    A list of words must not become empty: none of them means all of them (`cases`, `by`), which would be more and not less.
    """

    path: Path
    name: str
    word: bool = False


@dataclass(frozen=True)
class Value:
    """A value that is not at its least. `unit`, of a number: what it is a multiple of, None for any number; `span` its range if known."""

    path: Path
    now: Any
    least: Any
    unit: float | None = 1
    span: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return pointer(self.path)

    @property
    def between(self) -> bool:
        """Whether there is something between the two to be searched."""
        return all(isinstance(end, int | float) and not isinstance(end, bool) for end in (self.now, self.least))


def pointer(path: Path) -> str:
    """A JSON pointer."""
    return "".join(f"/{step}" for step in path)


def at(document: Any, path: Path) -> Any:
    """What stands at a place."""
    for step in path:
        document = document[step]
    return document


def _rules_of(item: Mapping[str, Any], rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema's rules for the members of an object: of its kind, where it has one."""
    schema = scenario.rules()
    if "kind" in item and "allOf" in rule:
        return schema["$defs"][item["kind"]]["properties"]  # type: ignore[no-any-return]
    return rule.get("properties", {})


def _walk(value: Any, rule: Any, path: Path) -> Iterator[tuple[Path, Any, Mapping[str, Any]]]:
    """Every value below `value` that has a rule, with that rule; objects and lists come before what is in them."""
    if not isinstance(rule, Mapping):
        return
    if "$ref" in rule:
        rule = scenario.rule_at(rule["$ref"])
    yield path, value, rule
    if isinstance(value, dict):
        rules = _rules_of(value, rule)
        for name, inner in value.items():
            yield from _walk(inner, rules.get(name), (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, rule.get("items"), (*path, index))


def _named(value: Any) -> str:
    for name in ("kind", "trap", "fault", "name"):
        if isinstance(value, dict) and name in value:
            return str(value[name])
    return json.dumps(value) if not isinstance(value, str) else value


def parts(document: Mapping[str, Any]) -> list[Part]:
    """The items of the scenario's own lists."""
    found = [Part((member, i), f"{member} {_named(item)}") for member in LISTS for i, item in enumerate(document[member])]
    companions = document["target"].get("companions", ())
    return found + [Part(("target", "companions", i), f"companion {name}") for i, name in enumerate(companions)]


def inner_parts(document: Mapping[str, Any]) -> list[Part]:
    """The items of lists within stressors and injectors. Not of lists of free words, whose meaning the schema does not know."""
    found = []
    for path, value, rule in _walk(document, scenario.rules(), ()):
        items = rule.get("items")
        if len(path) > 2 and path[0] in ("stressors", "injectors") and isinstance(value, list) and isinstance(items, Mapping):
            if "enum" in items or items.get("type") in ("object", "integer"):
                found += [Part((*path, i), f"{pointer(path)} {_named(item)}", "enum" in items) for i, item in enumerate(value)]
    return found


def _least(value: Any, rule: Mapping[str, Any]) -> Any:
    """The least that a value can be by its rule; the value itself where it stays."""
    shrinks = rule.get("shrinks")
    of = rule.get("type")
    kinds = of if isinstance(of, list) else [of]
    if shrinks is False or isinstance(value, dict | list):
        return value
    if shrinks == "default":
        return rule["default"]
    if shrinks == "maximum":
        return rule["maximum"]
    if "null" in kinds:
        return None
    if {"integer", "number"} & set(kinds):
        return rule.get("minimum", value)
    return rule.get("default", value) if "enum" in rule or kinds == ["boolean"] else value


def values(document: Mapping[str, Any]) -> list[Value]:
    """The values that are not at their least. A level stays where nothing holds memory: it is at its least by itself then."""
    found = []
    for path, value, rule in _walk(document, {**scenario.rules(), "required": []}, ()):
        least = _least(value, rule)
        if least != value and path[:1] != ("expect",):
            span = rule["maximum"] - rule["minimum"] if {"minimum", "maximum"} <= rule.keys() else None
            found.append(Value(path, value, least, None if rule.get("type") == "number" else rule.get("multipleOf", 1), span))
    return found


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    """What is no longer right once a part has gone: a level that nothing makes; and ranges of counts, which were those of the whole."""
    if not any(injector["kind"] == "hog" for injector in document["injectors"]):
        document["levels"] = [1.0]
    for phase in document["phases"]:
        phase.pop("expect", None)
    return document | {"expect": {}}


def _sound(document: dict[str, Any]) -> Scenario | None:
    """The scenario of a document, or None where it is none."""
    try:
        return scenario.parse(json.dumps(_mended(document)), "candidate")
    except UsageError:
        return None


def at_level(whole: Scenario, level: float) -> Scenario:
    """The scenario with one level and one demand rate (the first), that is one run, and with nothing expected: so a run fails for as long as
    what is searched for shows."""
    candidate = _sound(copy.deepcopy(whole.at_rate(whole.rates_hz[0]).document) | {"levels": [level], "runs": 1})
    assert candidate is not None  # it was a scenario with this level among others
    return candidate


def without(whole: Scenario, gone: Iterable[Part]) -> Scenario | None:
    """The scenario without some parts; None where what is left is no scenario."""
    document = copy.deepcopy(whole.document)
    for part in sorted(gone, key=lambda part: [str(step).zfill(6) for step in part.path], reverse=True):  # the last of a list first
        items = at(document, part.path[:-1])
        del items[part.path[-1]]
        if part.word and not items:
            return None
    return _sound(document)


def with_values(whole: Scenario, changed: Mapping[Path, Any]) -> Scenario | None:
    """The scenario with other values; None where that is no scenario."""
    document = copy.deepcopy(whole.document)
    for path, value in changed.items():
        at(document, path[:-1])[path[-1]] = value
    return _sound(document)


def brief(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what scenario.parse() would fill in anyway: shorter to read and to mail, and the same scenario."""
    schema = scenario.rules()
    members = schema["properties"]

    def shorter(item: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
        named = {name: rule for name, rule in rules.items() if isinstance(rule, dict)}
        resolved = {name: scenario.rule_at(rule["$ref"]) if "$ref" in rule else rule for name, rule in named.items()}
        filled = {name: rule["default"] for name, rule in resolved.items() if "default" in rule}
        return {name: value for name, value in item.items() if name not in filled or filled[name] != value}

    lists = {name: [shorter(item, schema["$defs"][item["kind"]]["properties"]) for item in document[name]]
             for name in ("stressors", "injectors")}
    faults = [shorter(fault, members["model_faults"]["items"]["properties"]) for fault in document["model_faults"]]
    machine = shorter(document["machine"], members["machine"]["properties"])
    return shorter({**document, **lists, "model_faults": faults, "machine": machine}, members)
