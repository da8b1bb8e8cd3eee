"""The language of custom columns: its vectors, its bounds, and its values against an evaluator over fractions."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from campanile.reports.expressions import (
    EXPRESSION_CHARACTERS,
    NESTING,
    REFERENCES,
    ExpressionError,
    Outcome,
    Reference,
    canonical_key,
    default_attribution,
    parse,
    rounded,
)
from tests.reports.vectors import vectors

SYNTAX_CODES = {
    "EXPRESSION_SYNTAX",
    "UNKNOWN_FUNCTION",
    "WRONG_ARGUMENT_COUNT",
    "EXPRESSION_CONSTANT",
    "DIVISION_BY_CONSTANT_ZERO",
}
"""Faults of the text alone; the others are about columns."""
A, B = "@{campaign-stats.a}", "@{campaign-stats.b}"
SECONDS = 1.0
"""A generous bound for one text: the aim is to see quadratic and worse."""


def text_of(value: Decimal | None) -> str:
    """A cell: plain digits, trailing zeros cut."""
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def evaluate(text: str, **values: int | Decimal | None) -> Outcome:
    return parse(text).evaluate({f"campaign-stats.{name}": value for name, value in values.items()})


def fault(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    return caught.value


# --- vectors


@pytest.mark.parametrize("vector", [p for p in vectors("expr") if "text" in p.values[0]])
def test_values(vector: dict[str, Any]) -> None:
    value = parse(vector["expression"]).evaluate(vector["values"]).value
    assert text_of(None if value is None else rounded(value, vector["decimals"])) == vector["text"]


@pytest.mark.parametrize("vector", [p for p in vectors("expr") if p.values[0].get("error") in SYNTAX_CODES])
def test_faults(vector: dict[str, Any]) -> None:
    error = fault(vector["expression"])
    assert error.code == vector["error"].lower()
    assert error.position == vector.get("position")


@pytest.mark.parametrize("vector", [p for p in vectors("expr") if p.values[0].get("error") not in SYNTAX_CODES])
def test_faults_of_columns_are_not_faults_of_the_text(vector: dict[str, Any]) -> None:
    expression = parse(vector["expression"])
    if "position" in vector:
        assert vector["position"] in [reference.position for reference in expression.references]


# --- grammar


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        (" ", "expression_syntax", 1),
        (f"{A} {B}", "expression_syntax", 20),
        (f"{A})", "expression_syntax", 19),
        (f"({A}", "expression_syntax", 20),
        ("()", "expression_syntax", 1),
        (f"+{A}", "expression_syntax", 0),
        (f"{A} +", "expression_syntax", 21),
        (f"{A} // 2", "expression_syntax", 21),
        (f"{A} % 2", "expression_syntax", 20),
        (f"{A} ^ 2", "expression_syntax", 20),
        (f"{A} == 2", "expression_syntax", 20),
        ("clicks", "expression_syntax", 0),
        ("__import__", "expression_syntax", 0),
        ("__import__('os')", "unknown_function", 0),
        (f"abs({A})", "unknown_function", 0),
        (f"MIN({A}, 1)", "unknown_function", 0),
        (f"min ({A})", "wrong_argument_count", 0),
        (f"1 + max({A})", "wrong_argument_count", 4),
        (f"coalesce({', '.join([A] * 9)})", "wrong_argument_count", 0),
        (f"round({A})", "wrong_argument_count", 0),
        (f"round({A}, 1, 2)", "wrong_argument_count", 0),
        (f"round({A}, 7)", "expression_syntax", 27),
        (f"round({A}, 02)", "expression_syntax", 27),
        (f"round({A}, 1.0)", "expression_syntax", 27),
        (f"round({A}, {B})", "expression_syntax", 27),
        (f"round({A}, -1)", "expression_syntax", 27),
        (f"min({A},)", "expression_syntax", 24),
        (f"min(,{A})", "expression_syntax", 4),
        ("min()", "expression_syntax", 4),
        (f"1. + {A}", "expression_syntax", 1),
        (f".5 + {A}", "expression_syntax", 0),
        (f"1e5 + {A}", "expression_syntax", 1),
        (f"1,5 + {A}", "expression_syntax", 1),
        (f"0x1F + {A}", "expression_syntax", 1),
        (f"1_000 + {A}", "expression_syntax", 1),
        (f"1234567890123456 + {A}", "expression_syntax", 0),
        (f"12345678.90123456 + {A}", "expression_syntax", 0),
        (f"\u0661 + {A}", "expression_syntax", 0),
        (f"{A}\u00a0+ 1", "expression_syntax", 19),
        ("@{a}", "expression_syntax", 0),
        ("@{.a}", "expression_syntax", 0),
        ("@{a.}", "expression_syntax", 0),
        ("@{a..b}", "expression_syntax", 0),
        ("@{a.B}", "expression_syntax", 0),
        ("@{1a.b}", "expression_syntax", 0),
        ("@{ a.b }", "expression_syntax", 0),
        ("@ {a.b}", "expression_syntax", 0),
        ("@{a.b", "expression_syntax", 0),
        ("${a.b}", "expression_syntax", 0),
        (f"{A} / 0.000", "division_by_constant_zero", 22),
        (f"{A} / -0", "division_by_constant_zero", 22),
        (f"{A} / (0)", "division_by_constant_zero", 22),
        (f"{A} / 0 )", "division_by_constant_zero", 22),
        ("0", "expression_constant", None),
        ("round(1.5, 0) * (2 - 3)", "expression_constant", None),
    ],
)
def test_what_is_no_expression(text: str, code: str, position: int | None) -> None:
    error = fault(text)
    assert (error.code, error.position) == (code, position)
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"{A}", 6),
        (f"\t( {A}\r\n)\n", 6),
        (f"- -{A}", 6),
        (f"---{A}", -6),
        (f"2-{A}", -4),
        (f"2--{A}", 8),
        (f"-{A}*-2", 12),
        (f"2 - {A} - 3", -7),
        (f"24 / {A} / 2", 2),
        (f"24 / {A} * 2", 8),
        (f"1 + 2 * {A}", 13),
        (f"(1 + 2) * {A}", 18),
        (f"min(9, {A}, 7, 8)", 6),
        (f"max(1, {A}, 5)", 6),
        (f"round({A} / 4, 0)", 2),
        (f"round(-{A} / 4, 0)", -2),
        (f"round({A} / 100000, 4)", Decimal("0.0001")),
        (f"0.1 + 0.2 + {A} - {A}", Decimal("0.3")),
        (f"100000000000000 * {A} - 99999999999999.9", Decimal("500000000000000.1")),
        (f"0 * {A}", 0),
        (f"0 / {A}", 0),
        (f"-0 / {A}", 0),
    ],
)
def test_values_of_expressions(text: str, value: Decimal | int) -> None:
    assert evaluate(text, a=6).value == value


def test_references_are_listed_with_their_places() -> None:
    expression = parse(f"{A} + 2 * {B} / {A}")
    assert expression.references == (
        Reference("campaign-stats.a", 0),
        Reference("campaign-stats.b", 26),
        Reference("campaign-stats.a", 48),
    )


@pytest.mark.parametrize(
    ("key", "attribution", "meant"),
    [
        ("campaign-stats.all_platform.clicks", "view_through", "campaign-stats.clicks"),
        ("campaign-stats.android.clicks", "view_through", "campaign-stats.android.clicks"),
        ("campaign-stats.conversions", "view_through", "campaign-stats.goal_1.view_through.converted_users"),
        (
            "campaign-stats.all_platform.revenue",
            "total_conversions",
            "campaign-stats.goal_1.total_conversions.total_revenue",
        ),
        (
            "campaign-stats.conversion_events",
            "total_conversions",
            "campaign-stats.goal_1.total_conversions.conversion_events",
        ),
        ("campaign.name", "view_through", "campaign.name"),
    ],
)
def test_short_names(key: str, attribution: str, meant: str) -> None:
    assert canonical_key(key, attribution) == meant
    assert parse(f"@{{{key}}}", attribution=attribution).references == (Reference(meant, 0),)


def test_the_default_attribution_follows_the_model() -> None:
    assert default_attribution("all_interactions") == "view_through"
    assert default_attribution("last_interaction") == "total_conversions"


# --- blanks and zero divisors


@pytest.mark.parametrize(
    ("text", "blank", "zero"),
    [
        (f"{A} + {B}", None, None),
        (f"{A} * {B}", None, None),
        (f"-{A}", None, None),
        (f"round({A}, 2)", None, None),
        (f"min({A}, 1)", None, None),
        (f"max(1, {A})", None, None),
        (f"{A} / {B}", None, None),
        (f"coalesce({A}, 7)", 7, 7),
        (f"coalesce({B}, 7)", 0, 0),
        (f"coalesce({A}, {A})", None, None),
        (f"coalesce(1 / {B}, 7)", 7, 0),
        (f"3 / {B} + 1", None, 1),
        (f"{B} / {B}", None, 0),
    ],
)
def test_blank_operands_and_zero_divisors(text: str, blank: int | None, zero: int | None) -> None:
    values = {"campaign-stats.a": None, "campaign-stats.b": 0}
    expression = parse(text)
    assert expression.evaluate(values).value == blank
    assert expression.evaluate(values, on_zero_division="zero").value == zero


def test_a_division_by_zero_is_told() -> None:
    assert evaluate(f"coalesce({A} / {B}, 1)", a=1, b=0) == Outcome(Decimal(1), True)
    assert evaluate(f"{A} / {B}", a=None, b=0) == Outcome(None, False), "blank before it is divided"
    assert evaluate(f"{A} / ({B} - {B})", a=1, b=2).divided_by_zero
    assert not evaluate(f"coalesce({B}, {A} / 3)", a=1, b=0).divided_by_zero, "the rest is not looked at"


def test_columns_that_are_missing_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        evaluate(A, b=1)


def test_rounding_is_half_away_from_zero_and_knows_no_negative_zero() -> None:
    assert [str(rounded(Decimal(text), 1)) for text in ("0.25", "-0.25", "0.24", "-0.04")] == [
        "0.3",
        "-0.3",
        "0.2",
        "0",
    ]
    assert rounded(Decimal("123.456"), 0) == 123
    assert rounded(Decimal(10) ** 70 / 3, 6) == Decimal(10) ** 70 / 3, "it has no places to round"


# --- bounds


def test_the_length_is_bounded() -> None:
    longest = A + " " * (EXPRESSION_CHARACTERS - len(A))
    assert parse(longest)
    assert fault(longest + " ").code == "expression_too_long"
    assert fault("(" * 100_000).code == "expression_too_long"


def test_nesting_is_bounded() -> None:
    assert parse("(" * NESTING + A + ")" * NESTING)
    error = fault("(" * (NESTING + 1) + A + ")" * (NESTING + 1))
    assert (error.code, error.position) == ("expression_too_deep", NESTING)
    mixed = "min(1, (" * 16
    assert parse(mixed + A + "))" * 16)
    assert fault(mixed + f"({A})" + "))" * 16).code == "expression_too_deep"
    assert parse(f"{'(' + A + ')' + ' + '}" * 40 + A), "beside each other they are not deep"


def test_references_are_bounded() -> None:
    fits = "+".join(["@{a.b}"] * REFERENCES)
    assert len(parse(fits).references) == REFERENCES
    error = fault(f"{fits}+@{{a.b}}")
    assert (error.code, error.position) == ("expression_too_complex", len(fits) + 1)


WORST = [
    "-" * (EXPRESSION_CHARACTERS - 6) + "@{a.b}",
    "1+" * 490 + "@{a.b}",
    "9*" * 490 + "@{a.b}",
    "7/" * 490 + "@{a.b}",
    "(1-" * NESTING + "@{a.b}" + ")" * NESTING,
    "/".join(["@{a.b}"] * REFERENCES) + "*999999999999999" * 40,
    "(" * EXPRESSION_CHARACTERS,
    "@{" * 500,
    "@{a." + "a-" * 498,
    "a" * EXPRESSION_CHARACTERS,
    "9" * EXPRESSION_CHARACTERS,
    " " * EXPRESSION_CHARACTERS,
    "min(" * 250,
    "round(" * 31 + "@{a.b}" + ",2)" * 31,
]


@pytest.mark.parametrize("text", WORST)
def test_time_is_bounded(text: str) -> None:
    started = time.perf_counter()
    for _ in range(20):
        try:
            expression = parse(text)
        except ExpressionError:
            continue
        expression.evaluate({"a.b": Decimal("123456789.123456")})
    assert time.perf_counter() - started < 20 * SECONDS / 10


@given(st.text(alphabet="@{}a.b-_ 019+*/(),minroudcoalesce\n$^'\"\\\0é", max_size=80))
@example("\0")
@example("@{a.b}" + "\u2028")
def test_any_text_is_judged(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError as error:
        assert error.position is None or 0 <= error.position <= len(text)
    else:
        assert expression.references
        expression.evaluate({reference.key: 3 for reference in expression.references})


# --- values, against fractions


class Tree(NamedTuple):
    """An expression of the independent evaluator: an operator and its operands, a value, or a column."""

    op: str
    operands: tuple[Any, ...]


COLUMNS = ("a", "b", "c", "d")
NUMBERS = st.integers(0, 10**6).map(str) | st.from_regex(r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")
LEAVES = NUMBERS.map(lambda text: Tree("number", (text,))) | st.sampled_from(COLUMNS).map(
    lambda c: Tree("column", (c,))
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda op, x, y: Tree(op, (x, y)), st.sampled_from("+-*/"), inner, inner),
        st.builds(lambda x: Tree("negative", (x,)), inner),
        st.builds(lambda x, d: Tree("round", (x, d)), inner, st.integers(0, 6)),
        st.builds(
            lambda op, many: Tree(op, tuple(many)),
            st.sampled_from(["min", "max", "coalesce"]),
            st.lists(inner, min_size=2, max_size=4),
        ),
    ),
    max_leaves=12,
)
RANKS = {"+": 1, "-": 1, "*": 2, "/": 2, "negative": 3}


def written(tree: Tree, chance: random.Random, place: int = 0) -> str:
    """The tree as text, with brackets where they are needed and sometimes where they are not."""
    gap = chance.choice(["", " ", "\n "])
    match tree.op:
        case "number":
            return str(tree.operands[0])
        case "column":
            return f"@{{campaign-stats.{tree.operands[0]}}}"
        case "negative":
            text = f"-{gap}{written(tree.operands[0], chance, 3)}"
        case "round":
            return f"round({written(tree.operands[0], chance)}{gap},{tree.operands[1]})"
        case "+" | "-" | "*" | "/":
            rank = RANKS[tree.op]
            left, right = tree.operands
            text = f"{written(left, chance, rank)}{gap}{tree.op}{gap}{written(right, chance, rank + 1)}"
        case _:
            return f"{tree.op}{gap}({f'{gap},'.join(written(operand, chance) for operand in tree.operands)})"
    return f"({text})" if RANKS[tree.op] < place or chance.random() < 0.2 else text


class Exact:
    """Evaluates a tree with fractions, straight from the rules."""

    def __init__(self, values: dict[str, int | None], zero: Fraction | None) -> None:
        self.values = values
        self.zero = zero
        self.largest = Fraction(1)
        self.near_tie = False

    def value(self, tree: Tree) -> Fraction | None:
        found = self._value(tree)
        if found is not None:
            self.largest = max(self.largest, abs(found))
        return found

    def _value(self, tree: Tree) -> Fraction | None:
        match tree.op:
            case "number":
                return Fraction(tree.operands[0])
            case "column":
                column = self.values[tree.operands[0]]
                return None if column is None else Fraction(column)
            case "coalesce":
                return next((v for operand in tree.operands if (v := self.value(operand)) is not None), None)
            case "round":
                inner = self.value(tree.operands[0])
                return None if inner is None else self.rounded(inner, tree.operands[1])
        values = [self.value(operand) for operand in tree.operands]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        match tree.op:
            case "negative":
                return -known[0]
            case "+":
                return known[0] + known[1]
            case "-":
                return known[0] - known[1]
            case "*":
                return known[0] * known[1]
            case "/":
                # With a third in it, decimals may take a divisor of nothing for a very small one.
                self.near_tie |= known[1] == 0 and has_thirds(tree.operands[1])
                return known[0] / known[1] if known[1] else self.zero
            case "min":
                return min(known)
        return max(known)

    def rounded(self, value: Fraction, places: int) -> Fraction:
        scaled = abs(value) * 10**places
        whole = scaled.numerator // scaled.denominator
        part = scaled - whole
        # Where a third is divided and multiplied back, decimals miss a tie by their last digit.
        self.near_tie |= part != Fraction(1, 2) and abs(part - Fraction(1, 2)) < Fraction(1, 10**20)
        self.near_tie |= part == Fraction(1, 2) and not _finite(value)
        found = Fraction(whole + (part >= Fraction(1, 2)), 10**places)
        return found if value >= 0 else -found


def _finite(value: Fraction) -> bool:
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def has_thirds(tree: Tree) -> bool:
    return tree.op == "/" or any(has_thirds(operand) for operand in tree.operands if isinstance(operand, Tree))


@given(
    TREES,
    st.fixed_dictionaries({name: st.none() | st.integers(0, 5) | st.integers(0, 10**9) for name in COLUMNS}),
    st.integers(0, 6),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_values_are_those_of_exact_arithmetic(
    tree: Tree, values: dict[str, int | None], places: int, zero: bool, chance: random.Random
) -> None:
    text = written(tree, chance)
    assume(len(text) <= EXPRESSION_CHARACTERS)
    try:
        expression = parse(text)
    except ExpressionError as error:
        assume(error.code not in ("expression_constant", "expression_too_deep", "division_by_constant_zero"))
        raise
    exact = Exact(values, Fraction(0) if zero else None)
    wanted = exact.value(tree)
    rounded_wanted = None if wanted is None else exact.rounded(wanted, places)
    assume(exact.largest < 10**25)
    assume(not (exact.near_tie and has_thirds(tree)))
    given_values = {f"campaign-stats.{name}": value for name, value in values.items()}
    found = expression.evaluate(given_values, on_zero_division="zero" if zero else "blank").value
    if rounded_wanted is None:
        assert found is None
    else:
        assert found is not None
        assert Fraction(rounded(found, places)) == rounded_wanted
