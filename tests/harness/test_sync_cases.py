# SPDX-License-Identifier: MIT
"""The schema names just those cases of sync-file that the agent knows."""

import json
import re

from drmsqueeze import TOP


def test_schema_names_the_cases_of_the_agent() -> None:
    schema = json.loads((TOP / "configs" / "scenario.schema.json").read_text())
    named = schema["$defs"]["sync-file"]["properties"]["cases"]["items"]["enum"]
    table = (TOP / "stressors" / "sync_cases.cc").read_text().partition("kCases[] = {")[2].partition("};")[0]
    assert named == re.findall(r'\{"([a-z-]+)", ', table)
