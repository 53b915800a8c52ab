# SPDX-License-Identifier: MIT
"""Every answer that the judge can give has a golden run. What it can give is read from its source, so that a new one cannot be forgotten."""

import ast
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from golden_data import DATA
from test_judge import GOLDEN
from drmsqueeze_results import fates, outcomes, witnesses
from drmsqueeze_results.facts import Ended, read_facts
from drmsqueeze_results.kernel_rules import RULES

# A machine that did not come up has no jobs to lose.
NEVER = {fates._LOST_BECAUSE[Ended.BOOT_TIMEOUT]}


def _functions(module: ModuleType) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.FunctionDef))


def _texts(node: ast.expr, function: ast.FunctionDef, module: ModuleType) -> set[str]:
    """The strings that an expression can be. Fails for one that cannot be told: then the code must be written out."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _texts(node.body, function, module) | _texts(node.orelse, function, module)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
        return {text for value in node.value.values for text in _texts(value, function, module)}
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return set(getattr(module, node.value.id).values())
    if isinstance(node, ast.Name):
        found = [assigned.value for assigned in ast.walk(function) if isinstance(assigned, ast.Assign)
                 and any(isinstance(target, ast.Name) and target.id == node.id for target in assigned.targets)]
        if found:
            return {text for value in found for text in _texts(value, function, module)}
    pytest.fail(f"{module.__name__}, line {node.lineno}: write the code out, as a golden run is looked for by it")


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name


def reason_codes() -> set[str]:
    """Of all verdicts: what the checks yield behind a status, and what _verdict() itself says."""
    codes: set[str] = set()
    for function in _functions(outcomes):
        for node in ast.walk(function):
            if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and _is(node.value.elts[0], "Status"):
                codes |= _texts(node.value.elts[1], function, outcomes)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Verdict" and _is(node.args[0], "Status"):
                codes |= _texts(node.args[1], function, outcomes)
    return codes


def reasons_of_fates() -> set[str]:
    """Why a fate was decided, of all that fates.py writes out."""
    reasons = set(fates._LOST_BECAUSE.values()) | {fates._HUNG_BECAUSE}
    for function in _functions(fates):
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and isinstance(node.value.elts[1], ast.Constant):
                reasons |= _texts(node.value.elts[1], function, fates)
    return reasons


def test_every_reason_code_has_a_golden_run() -> None:
    codes = reason_codes()
    assert len(codes) > 20, "the search itself is broken"
    assert codes == {row.values[2] for row in GOLDEN}


def test_every_way_to_a_fate_and_every_end_of_a_machine_has_a_golden_run(tmp_path: Path) -> None:
    reasons, ends = set(), set()
    for directory in (DATA / "runs").iterdir():
        copy = shutil.copytree(directory, tmp_path / directory.name)
        reasons |= {fate.reason for fate in outcomes.consider(copy).fates.others}
        ends.add(read_facts(copy).machine.ended)
    wanted = reasons_of_fates()
    assert len(wanted) > 10, "the search itself is broken"
    assert wanted - NEVER - reasons == set()
    assert ends == set(Ended)


def test_every_witness_of_a_rule_is_a_sign_of_a_hang() -> None:
    for rule in RULES:
        assert rule.witness is None or witnesses.SIGNS.get(rule.witness), rule.name


def test_a_new_code_without_a_golden_run_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a check that is added to the source is seen by the search."""
    source = inspect.getsource(outcomes) + '\n\ndef _more(case):\n    yield Status.ERROR, "brand-new", "Nobody knows."\n'
    monkeypatch.setattr(inspect, "getsource", lambda _: source)
    assert "brand-new" in reason_codes()
