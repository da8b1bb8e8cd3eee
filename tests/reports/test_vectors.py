"""Every vector of the report builder is looked at by some test, or left out with a reason."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.reports.vectors import LEFT_OUT, every

TESTS = Path(__file__).parent.parent


def asked_kinds() -> set[str]:
    """The kinds that tests are parametrized with."""
    found = set()
    for path in TESTS.glob("*/**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "vectors":
                found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def test_every_kind_of_vector_has_a_test() -> None:
    assert {vector["kind"] for vector in every()} == asked_kinds()


def test_the_vectors_are_complete() -> None:
    assert [vector["id"] for vector in every()] == [f"RB{number:03}" for number in range(1, 102)]
    assert set(LEFT_OUT) <= {vector["id"] for vector in every()}
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())
