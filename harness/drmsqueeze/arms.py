# SPDX-License-Identifier: MIT
"""Arms of a comparison: a kernel, and what of the scenario's stressors is other with it than in the file: `lab:on_refusal=retry`.

So two ways for user space to deal with one kernel are compared as two kernels are: in one plan, in blocks, with one seed.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drmsqueeze import scenario
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario

HELP = "a kernel, alone or with options of the scenario's stressors: K:OPTION=VALUE,OPTION=VALUE"


def _value(text: str) -> Any:
    """A number or a truth value as JSON has it; else the word itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class Arm:
    """`label` is what plan and report call it."""

    label: str
    kernel: str
    options: Mapping[str, Any]

    @staticmethod
    def parse(label: str) -> "Arm":
        """Raises UsageError where what follows the kernel are no options. Whether there is such a kernel is not looked at."""
        kernel, colon, rest = label.partition(":")
        pairs = [part.partition("=") for part in rest.split(",")] if colon else []
        if any(not name or not value for name, _, value in pairs):
            raise UsageError(f"arm `{label}`: found `{rest}` behind the kernel; expected OPTION=VALUE,OPTION=VALUE")
        return Arm(label, kernel, {name: _value(value) for name, _, value in pairs})

    def of(self, one: Scenario) -> Scenario:
        """The scenario with this arm's options, put into every stressor that knows them; itself where there are none.

        Raises UsageError for an option that no stressor of it knows, and as the scenario's own check does.
        """
        if not self.options:
            return one
        document = copy.deepcopy(one.document)
        for name, value in self.options.items():
            knowing = [part for part in document["stressors"] if name in scenario.rule_at(f"#/$defs/{part['kind']}/properties")]
            if not knowing or name == "kind":
                kinds = ", ".join(sorted({part["kind"] for part in document["stressors"]}))
                raise UsageError(f"arm `{self.label}`: no stressor of {one.name} ({kinds}) has an option `{name}`")
            for part in knowing:
                part[name] = value
        return scenario.parse(json.dumps(document), f"{one.name} as of arm `{self.label}`")
