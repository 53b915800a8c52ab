# SPDX-License-Identifier: MIT
"""The part of LAVA's test shell, without a dispatcher: it carries out the steps of a test definition, and notes what it is told."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# No word that LAVA takes has a tab.
NOTER = """#!/bin/sh
{{ printf '%s' "${{0##*/}}"; printf '\\t%s' "$@"; echo; }} >>'{notes}'
"""


class TestShell:
    """A container as a docker test shell has it. `told` is what lava-test-case and lava-test-set were called with."""

    __test__ = False

    def __init__(self, place: Path, target_ip: str) -> None:
        self.bin, self.work, self._notes = place / "bin", place / "work", place / "notes"
        self.bin.mkdir(parents=True)
        self.work.mkdir()
        for name in ("lava-test-case", "lava-test-set"):
            self.program(name, NOTER.format(notes=self._notes))
        self.program("lava-target-ip", f"#!/bin/sh\necho {target_ip}\n")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def with_drmsqueeze(self) -> None:
        """The program itself, without its launcher."""
        paths = os.pathsep.join(path for path in sys.path if path)
        self.program("drmsqueeze", f"#!/bin/sh\nPYTHONPATH='{paths}' exec {sys.executable} -m drmsqueeze \"$@\"\n")

    def carry_out(self, definition: Mapping[str, Any], **environment: str) -> subprocess.CompletedProcess[str]:
        """As the dispatcher of LAVA writes run.sh (lava_dispatcher/actions/deploy/testdef.py): all steps in one shell, with -e and -x."""
        script = "\n".join(["set -e", "set -x", f"cd '{self.work}'", *definition["run"]["steps"]]) + "\n"
        around = dict(os.environ) | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"} | environment
        return subprocess.run(["/bin/sh"], input=script, env=around, capture_output=True, text=True)

    @property
    def told(self) -> list[Sequence[str]]:
        return [line.split("\t") for line in self._notes.read_text().splitlines()] if self._notes.exists() else []

    def cases(self) -> dict[str, dict[str, str]]:
        """By SET/CASE what was told of it: `result`, and perhaps `measurement` and `units`."""
        found: dict[str, dict[str, str]] = {}
        test_set = None
        for program, *words in self.told:
            if program == "lava-test-set":
                test_set = words[1] if words[0] == "start" else None
                continue
            name = f"{test_set}/{words[0]}" if test_set else words[0]
            assert name not in found, f"{name} was told twice"
            found[name] = dict(zip((word.removeprefix("--") for word in words[1::2]), words[2::2]))
        return found
