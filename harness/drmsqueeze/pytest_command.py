# SPDX-License-Identifier: MIT
"""`drmsqueeze pytest`: pytest with the plugin loaded and found."""

import argparse
import os
import sys
from collections.abc import Sequence

PATHS = ("--machine", "--drmsqueeze-out")
"""Options of the plugin whose value may be a path."""
NOT_OURS = {"prefix_chars": "\0", "add_help": False}
"""For the parser: every word is pytest's, also one that begins with a dash."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="as pytest has them: --machine M --kernel K configs/")


def joined(words: Sequence[str]) -> list[str]:
    """The words with these options as --option=PATH. A path that stands alone pytest takes for a place of tests, before it knows the option,
    and node ids are relative to what all such places have in common.
    """
    found: list[str] = []
    for word in words:
        if found and found[-1] in PATHS:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def run(args: argparse.Namespace) -> int:
    """Become pytest."""
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-p", "drmsqueeze.pytest_plugin", *joined(args.words)])
