# SPDX-License-Identifier: MIT
"""Variants: patches of drivers, one for each release of the kernel that they are for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drmsqueeze import TOP

LAB = TOP / "lab"


@dataclass(frozen=True)
class Variant:
    """A patch of drivers, for one release: lab/variants/NAME/SERIES.patch. The text before its first hunk says what it is."""

    name: str
    patch: Path

    @cached_property
    def _head(self) -> str:
        return self.patch.read_text().split("\n--- ", 1)[0]

    @property
    def description(self) -> str:
        return self._head.splitlines()[0].strip()

    @property
    def needs(self) -> list[str]:
        """The variants on top of which it is written (its line `Needs: NAME...`): they are applied too, and first."""
        line = re.search(r"^Needs: (.+)$", self._head, re.M)
        return line[1].split() if line else []


def variants(series: str = "6.12") -> dict[str, Variant]:
    """All variants in the tree that there are for a release, by name."""
    return {patch.parent.name: Variant(patch.parent.name, patch) for patch in sorted((LAB / "variants").glob(f"*/{series}.patch"))}


def nearest(series: str) -> dict[str, Variant]:
    """The variants for a kernel of any release: those of the last release up to it that has patches. They need not apply."""
    with_patches = {patch.stem for patch in (LAB / "variants").glob("*/*.patch")}
    before = [one for one in with_patches if _number(one) <= _number(series)]
    return variants(max(before, key=_number)) if before else {}


def _number(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", series))


def describe(releases: Iterable[str]) -> list[tuple[str, str]]:
    """The name of each variant, and what it is, for which of these releases it is not to be had, and what it is written on top of."""
    by_series = {series: variants(series) for series in releases}
    told = []
    for name in sorted({name for known in by_series.values() for name in known}):
        missing = [series for series, known in by_series.items() if name not in known]
        one = next(known[name] for known in by_series.values() if name in known)
        notes = [f"with {', '.join(one.needs)}"] * bool(one.needs) + [f"not for {', '.join(missing)}"] * bool(missing)
        told.append((name, "; ".join([one.description, *notes])))
    return told
