# SPDX-License-Identifier: MIT
"""What a run directory holds from the first moment of its run, and how it comes to its facts: also where its harness was killed meanwhile.

begun.json has all members of facts.json that are known before the run's end. It is there before the machine is touched, and gone once
facts.json is there: each is on the disk, with what it speaks of, before the next step begins.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drmsqueeze_results.documents import sync_tree, write_json

from drmsqueeze.journal import Journal
from drmsqueeze.machines.received import stored

BEGUN, FACTS = "begun.json", "facts.json"
HARNESS_KILLED = "harness-killed"


def begin(directory: Path, begun: Mapping[str, Any]) -> None:
    """Note what is known of a run that begins, or has just begun."""
    write_json(directory / BEGUN, begun, lasting=True)


def conclude(directory: Path, known: Mapping[str, Any], journal: Journal, ended: str) -> None:
    """Write the facts: `known`, and what the records say. Raises OSError, and the run is then as unfinished as before."""
    journal.write()
    sync_tree(directory)
    write_json(directory / FACTS, known | {
        "machine": known["machine"] | {"ended": ended, "last_beat_s": journal.last_beat_s},
        "jobs": {"intents": journal.intents, "ended": journal.ended},
        "phases": journal.phases,
        "release": journal.release, "bye": journal.bye, "witnesses": list(journal.witnesses.values()),
    }, lasting=True)
    (directory / BEGUN).unlink(missing_ok=True)


def is_unfinished(directory: Path) -> bool:
    """Whether a run began here and has no facts yet: it is under way, or its harness was killed."""
    return (directory / BEGUN).exists() and not (directory / FACTS).exists()


def was_cut_off(directory: Path) -> bool:
    """Whether these facts are of a run whose harness was killed, and that is all that is known against it."""
    facts = json.loads((directory / FACTS).read_text())
    return facts["machine"]["ended"] == HARNESS_KILLED and not facts["infrastructure_error"]


def finish(directory: Path, ended: str = HARNESS_KILLED, broken: str | None = None) -> None:
    """Write the facts of a run that nobody carries out any more, from the records that are kept: jobs that ended have their fates.

    `broken` is why it could not do its work, where that is known. May be called again where it was itself killed.
    """
    begun = json.loads((directory / BEGUN).read_text())
    journal = Journal(directory)
    for record in stored(directory):
        journal.take(record)
    ran_s = (journal.last_s or 0.0) - journal.hello.t_s if journal.hello else 0.0
    conclude(directory, begun | {
        "machine": begun["machine"] | {"sysrq_taken": False},
        "timing_s": {"boot": 0.0, "run": round(max(0.0, ran_s), 3)},
        "infrastructure_error": broken}, journal, ended)
