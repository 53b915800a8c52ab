# SPDX-License-Identifier: MIT
"""Scenarios: read, checked against configs/scenario.schema.json, and resolved (every default written out)."""

import copy
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
from drmsqueeze_results.findings import COUNTS, KINDS
from drmsqueeze_results.model import Outcome

from drmsqueeze import TOP, targets
from drmsqueeze.errors import UsageError

EXPECTABLE = (*(outcome.value for outcome in Outcome), *sorted(KINDS), *sorted(COUNTS))
SCHEMA = TOP / "configs" / "scenario.schema.json"


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    """As jsonschema has it, but for Python's `$`, which also matches before a line's end at the end."""
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    """The schema of scenarios."""
    return json.loads(SCHEMA.read_text())  # type: ignore[no-any-return]


def _expected(error: jsonschema.ValidationError) -> str:
    """What would have been right, in words; from the rule of the schema that was broken."""
    rule, value = error.validator, error.validator_value
    words = {
        "const": lambda: f"{json.dumps(value)}",
        "enum": lambda: "one of " + ", ".join(json.dumps(v) for v in value),
        "type": lambda: " or ".join(value) if isinstance(value, list) else str(value),
        "minimum": lambda: f"at least {value}",
        "exclusiveMinimum": lambda: f"more than {value}",
        "maximum": lambda: f"at most {value}",
        "multipleOf": lambda: f"a multiple of {value}",
        "minItems": lambda: f"at least {value} items",
        "maxItems": lambda: f"at most {value} items",
        "minProperties": lambda: f"at least {value} member",
        "maxProperties": lambda: f"at most {value} member",
        "uniqueItems": lambda: "no value twice",
        "pattern": lambda: f"a string that matches {value}",
    }
    return words[rule]() if rule in words else error.message


def _problems(error: jsonschema.ValidationError, file: str) -> list[str]:
    """What is wrong, a sentence each: the file, the JSON pointer, what was found and what was expected."""
    pointer = "".join(f"/{part}" for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known]
        return [f"{file}: {pointer}/{name}: found an unknown member; expected one of: {', '.join(known)}" for name in unknown]
    if error.validator == "required":
        name = error.message.split("'")[1]  # one error for each member that is missing
        return [f"{file}: {pointer or '/'}: found no member \"{name}\"; expected it"]
    found = json.dumps(error.instance)
    return [f"{file}: {pointer or '/'}: found {found if len(found) <= 80 else found[:77] + '...'}; expected {_expected(error)}"]


def rule_at(reference: str) -> Any:
    """What a "$ref" within the schema stands for: "#/$defs/NAME/..."."""
    rule: Any = rules()
    for part in reference.removeprefix("#/").split("/"):
        rule = rule[part]
    return rule


def fill(instance: dict[str, Any], properties: dict[str, Any]) -> None:
    """Write out the defaults of members that are not there."""
    for name, rule in properties.items():
        if isinstance(rule, dict) and "$ref" in rule:
            rule = rule_at(rule["$ref"])
        if isinstance(rule, dict) and "default" in rule:
            instance.setdefault(name, copy.deepcopy(rule["default"]))


def _resolve(document: dict[str, Any]) -> dict[str, Any]:
    schema = rules()
    properties = schema["properties"]
    fill(document, properties)
    fill(document["machine"], properties["machine"]["properties"])
    for part in document["stressors"] + document["injectors"]:
        fill(part, schema["$defs"][part["kind"]]["properties"])
    for fault in document["model_faults"]:
        fill(fault, properties["model_faults"]["items"]["properties"])
    return document


STRESS_NG_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,%_-]*")
STRESS_NG_RUN = ("run sequential", "run parallel", "run together")
STRESS_NG_LINE = 256  # it reads a job file in pieces: a longer line would be two


def _stress_ng_word(word: str) -> bool:
    """Whether this may stand in stress-ng's command line: by a stranger's scenario it runs no program and writes no file of theirs."""
    if not word.startswith("--"):
        return STRESS_NG_VALUE.fullmatch(word) is not None
    name, equals, value = word[2:].partition("=")
    return name in rule_at("#/$defs/stress-ng-option")["enum"] and (not equals or STRESS_NG_VALUE.fullmatch(value) is not None)


def _stress_ng_line(line: str) -> bool:
    """The same for a line of its job file."""
    words = line.split()
    if not words or len(line) > STRESS_NG_LINE:
        return len(line) <= STRESS_NG_LINE
    if words[0].startswith("#") or " ".join(words) in STRESS_NG_RUN:
        return True
    return len(words) <= 2 and _stress_ng_word(f"--{words[0]}") and all(STRESS_NG_VALUE.fullmatch(word) for word in words[1:])


def _strange_to_stress_ng(injector: dict[str, Any]) -> Iterator[str]:
    words = [(f"/stressors/{i}/options/{j}", word) for i, stressor in enumerate(injector.get("stressors", []))
             for j, word in enumerate(stressor.get("options", []))]
    words += [(f"/args/{i}", word) for i, word in enumerate(injector.get("args", []))]
    found = [(place, word) for place, word in words if not _stress_ng_word(word)]
    found += [("/job_file", line) for line in injector.get("job_file", "").split("\n") if not _stress_ng_line(line)]
    for place, word in found:
        yield (f"{place}: found {json.dumps(word[:80])}; expected options of stress-ng that only load processors and memory "
               "($defs/stress-ng-option of configs/scenario.schema.json) and plain values")


def _contradictions(document: dict[str, Any]) -> Iterator[str]:
    """What a schema cannot say: members that are right by themselves and wrong together."""
    if (document["model_faults"] or document["traps"]) and "model" not in document["target"]:
        yield '/target: found no member "model"; expected it, for model_faults and traps need one'
    if "oom_null" in document["target"] and targets.oom_null(document["target"]) is None:
        yield f'/target: found "oom_null"; expected it with the model {targets.OOM_NULL_MODEL} only, for no other has a firmware'
    kinds = [injector["kind"] for injector in document["injectors"]]
    for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        yield f"/injectors: found {kinds.count(kind)} of kind \"{kind}\"; expected one, for they would write the same knobs"
    if min(document["levels"]) < 1 and "hog" not in kinds:
        yield "/levels: found a level below 1 and no injector of kind \"hog\"; expected one, for nothing else makes a level"
    if "rates_hz" in document and not any("rate_hz" in stressor for stressor in document["stressors"]):
        kinds_of_stressors = ", ".join(sorted({stressor["kind"] for stressor in document["stressors"]}))
        yield f'/rates_hz: found demand rates and no stressor that has "rate_hz" ({kinds_of_stressors}); expected one to put them into'
    for i, injector in enumerate(document["injectors"]):
        if injector["kind"] == "stress-ng":
            yield from (f"/injectors/{i}{problem}" for problem in _strange_to_stress_ng(injector))
        ways = sorted({"stressors", "args", "job_file"} & injector.keys())
        if injector["kind"] == "stress-ng" and len(ways) != 1:
            yield f'/injectors/{i}: found {", ".join(ways) or "none"} of "stressors", "args" and "job_file"; expected exactly one'
    if min(document["levels"]) < 1 and any("steer" in injector for injector in document["injectors"]):
        yield "/levels: found a level below 1 and a hog that steers; expected one or the other, for it holds what its target wants"
    for kernel, wanted in document["expect"].items():
        for name, (least, most) in wanted.items():
            if name not in EXPECTABLE:
                yield f"/expect/{kernel}/{name}: found no fate, no kind of finding and no count; expected one of: {', '.join(EXPECTABLE)}"
            if most is not None and most < least:
                yield f"/expect/{kernel}/{name}: found [{least}, {most}]; expected [fewest, most]"


def _no_nan(word: str) -> float:
    """For json.loads(): refuses NaN and Infinity, which it takes by itself."""
    raise ValueError(f"{word} is no JSON")


def checked(text: str, file: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What this JSON says, where it keeps to a schema; `file` is named in messages.

    Raises UsageError that names the file, the JSON pointer, what was found and what was expected, for every problem at once.
    """
    try:
        document = json.loads(text, parse_constant=_no_nan)
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not JSON: {error}") from None
    errors = sorted(Validator(schema).iter_errors(document), key=lambda e: [str(part) for part in e.absolute_path])
    refuse(problem for error in errors for problem in _problems(error, file))
    return document  # type: ignore[no-any-return]


def refuse(problems: Iterable[str]) -> None:
    """Raises UsageError with these sentences, where there are any."""
    if found := list(problems):
        raise UsageError("\n".join(found))


def read_text(path: Path) -> str:
    """Raises UsageError for a file that cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None


@dataclass(frozen=True)
class Scenario:
    """A scenario as resolved. `document` is what scenario.json of a run directory holds."""

    document: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def sha256(self) -> str:
        """Of the resolved document, so that white space and defaults written out do not matter."""
        return sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()

    def __getitem__(self, member: str) -> Any:
        return self.document[member]

    @property
    def rates_hz(self) -> list[float | None]:
        """The demand rates that are swept; [None] where the stressors' own are all."""
        return self.document.get("rates_hz") or [None]

    def at_rate(self, rate_hz: float | None) -> "Scenario":
        """This scenario at one demand rate, put into every stressor that has one; itself for None."""
        if rate_hz is None:
            return self
        document = copy.deepcopy(self.document)
        document.pop("rates_hz", None)
        for stressor in document["stressors"]:
            if "rate_hz" in stressor:
                stressor["rate_hz"] = rate_hz
        return Scenario(document)

    def scaled(self, time_scale: float) -> dict[str, Any]:
        """The document with its times as they are on a machine that is so much slower than a board."""
        document = copy.deepcopy(self.document)
        document.pop("time_scale", None)  # these times need no more scaling
        for name in ("deadline_ms", "grace_ms", "driver_timeout_ms"):
            document[name] = round(document[name] * time_scale)
        for phase in document["phases"]:
            phase["duration_ms"] = round(phase["duration_ms"] * time_scale)
        for injector in document["injectors"]:
            for entry in injector.get("schedule", []) + injector.get("reclaim", []):
                entry |= {name: round(entry[name] * time_scale) for name in ("at_ms", "over_ms", "every_ms") if name in entry}
        for fault in document["model_faults"]:
            if fault["fault"] in ("delay_job", "delay_oom", "delay_answer", "delay_event"):
                fault["value"] = round(fault["value"] * time_scale)
        return document


def parse(text: str, file: str) -> Scenario:
    """A scenario from its text. Raises UsageError as `checked` does."""
    document = checked(text, file, rules())
    refuse(f"{file}: {problem}" for problem in _contradictions(_resolve(document)))
    return Scenario(document)


def load(path: Path) -> Scenario:
    """A scenario from a file. Raises UsageError as `parse` does, and for a file that cannot be read."""
    return parse(read_text(path), str(path))
