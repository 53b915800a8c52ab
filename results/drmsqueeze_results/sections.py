# SPDX-License-Identifier: MIT
"""What a report is made of: a comparison, or runs that belong together.

Everything is worked out here; templates only show it.
"""

from pathlib import Path

from drmsqueeze_results.comparison_section import ComparisonSection, comparison_section
from drmsqueeze_results.errors import BadComparison
from drmsqueeze_results.outcomes import consider
from drmsqueeze_results.run_section import RunsSection, runs_section
from drmsqueeze_results.section_parts import kernel_of, plan_of

Section = ComparisonSection | RunsSection


def find_sections(directory: Path) -> tuple[Section, ...]:
    """What there is to report on in `directory`: a run; a comparison; sets of runs; or several of them.

    Comparisons come first. Raises BadComparison where there is nothing.
    """
    if (directory / "facts.json").exists():
        run = consider(directory).run
        return (runs_section(f"{run.scenario.name} on {kernel_of(run)}", [directory], "run", directory),)
    comparisons = sorted(path.parent for path in directory.rglob("compare.json"))
    groups: dict[Path, list[Path]] = {}
    for facts in sorted(directory.rglob("facts.json")):
        group = facts.parent.parent
        if not (group.name == "runs" and group.parent in comparisons):
            groups.setdefault(group, []).append(facts.parent)
    sections: list[Section] = [comparison_section(path, f"comparison-{number}")
                               for number, path in enumerate(comparisons)]
    for number, (group, run_dirs) in enumerate(groups.items()):
        document = plan_of(group)
        name = document.get("scenario", {}).get("name", group.name)
        traps = document.get("scenario", {}).get("traps")
        sections.append(runs_section(f"Trap: {name}" if traps else name, run_dirs, f"runs-{number}", directory))
    if not sections:
        raise BadComparison(f"{directory}: there is no run and no comparison to report on")
    return tuple(sections)
