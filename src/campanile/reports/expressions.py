"""Arithmetic over the columns of a row: the language of custom columns (report specification 4.1, 4.3, 4.4).

Parsed by hand and bounded in length, nesting and references, so that any text is judged, and any expression
evaluated, in a moment. Nothing is ever handed to Python's own evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal, NamedTuple, NoReturn

EXPRESSION_CHARACTERS = 1_000
"""Longest expression."""
NESTING = 32
"""Brackets inside each other, those of functions included."""
REFERENCES = 50
"""References of one expression, repetitions included."""
NUMBER_DIGITS = 15
"""Digits of a number, those after the point included."""
ROUND_PLACES = 6
"""Most decimal places: of `round`, and of a custom column."""
OVERFLOW = Decimal(10) ** 15
"""Results of this magnitude are not shown: spreadsheets keep 15 digits."""
DIGITS = 60
"""Significant digits of intermediate results."""

Values = Mapping[str, Decimal | int | None]
"""Column key → value of the row; None is a blank cell."""

_FUNCTIONS = {"round": (2, 2), "coalesce": (2, 8), "min": (2, 8), "max": (2, 8)}
"""Name → fewest and most arguments."""
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<reference>@\{[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+\})
        | (?P<number>[0-9]+(?:\.[0-9]+)?)
        | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
        | (?P<sign>[-+*/(),])
        | (?P<end>\Z)
        | (?P<strange>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ARITHMETIC = Context(prec=DIGITS, rounding=ROUND_HALF_UP, traps=[])
_ZERO = Decimal(0)

_CONVERSIONS = {
    "campaign-stats.conversions": "converted_users",
    "campaign-stats.conversion_events": "conversion_events",
    "campaign-stats.revenue": "total_revenue",
}
"""Short name → the column of the first goal it stands for."""
_ALL_PLATFORMS = "campaign-stats.all_platform."


class ExpressionError(ValueError):
    """An expression that cannot be read."""

    def __init__(self, code: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        """As the specification lists it, in lower_snake_case."""
        self.message = message
        self.position = position
        """Characters before the fault, if it has a place."""


class Reference(NamedTuple):
    """A column that an expression names."""

    key: str
    """Of the catalogue: short names are resolved."""
    position: int


class Outcome(NamedTuple):
    """What an expression gives for a row."""

    value: Decimal | None
    """Not rounded; None is a blank cell."""
    divided_by_zero: bool
    """Whether that happened on the way, whatever became of it."""


class _Row:
    __slots__ = ("divided_by_zero", "quotient_by_zero", "values")

    def __init__(self, values: Values, quotient_by_zero: Decimal | None) -> None:
        self.values = values
        self.quotient_by_zero = quotient_by_zero
        self.divided_by_zero = False


_Node = Callable[[_Row], Decimal | None]


class Expression:
    """A parsed expression; immutable and thread-safe."""

    def __init__(self, node: _Node, references: tuple[Reference, ...]) -> None:
        self._node = node
        self.references = references
        """In the order of the text, repetitions included; at least one."""

    def evaluate(self, values: Values, *, on_zero_division: Literal["blank", "zero"] = "blank") -> Outcome:
        """The value for a row. A blank operand makes the result blank, except among those of `coalesce`.

        Raises:
            KeyError: `values` lacks a referenced column.
        """
        row = _Row(values, None if on_zero_division == "blank" else _ZERO)
        value = self._node(row)
        return Outcome(value, row.divided_by_zero)


def parse(text: str, *, attribution: str = "view_through") -> Expression:
    """Read an expression.

    Args:
        attribution: the key part that short names of conversions stand for, see `default_attribution`.

    Raises:
        ExpressionError: `expression_too_long`, `expression_syntax`, `expression_too_deep`, `expression_too_complex`,
            `unknown_function`, `wrong_argument_count`, `division_by_constant_zero`, `expression_constant`; the first
            fault of the text.
    """
    if len(text) > EXPRESSION_CHARACTERS:
        raise ExpressionError(
            "expression_too_long", f"An expression may have at most {EXPRESSION_CHARACTERS} characters."
        )
    parser = _Parser(text, attribution)
    node = parser.whole()
    if not parser.references:
        raise ExpressionError("expression_constant", "An expression must refer to at least one column.")
    return Expression(node, tuple(parser.references))


def default_attribution(attribution_model: str) -> str:
    """The attribution that stands for conversions as such under the model of a workspace."""
    return "total_conversions" if attribution_model == "last_interaction" else "view_through"


def canonical_key(key: str, attribution: str) -> str:
    """The catalogue's key for what an expression names."""
    if key.startswith(_ALL_PLATFORMS):
        key = f"campaign-stats.{key.removeprefix(_ALL_PLATFORMS)}"
    metric = _CONVERSIONS.get(key)
    return key if metric is None else f"campaign-stats.goal_1.{attribution}.{metric}"


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` with at most `places` decimal places, half away from zero; never a negative zero."""
    if value.adjusted() + 1 + places <= DIGITS:  # otherwise it has no more places than that
        value = value.quantize(Decimal(1).scaleb(-places), context=_ARITHMETIC)
    return value or _ZERO


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Parser:
    """Recursive descent; builds the functions that evaluate as it reads."""

    def __init__(self, text: str, attribution: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._attribution = attribution
        self.references: list[Reference] = []

    def whole(self) -> _Node:
        node = self._expression()
        if self._token.kind != "end":
            self._unexpected("an operator or the end")
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += 1
        return token

    def _is(self, signs: str) -> bool:
        return self._token.kind == "sign" and self._token.text in signs

    def _expression(self) -> _Node:
        first, rest = self._term(), []
        while self._is("+-"):
            rest.append((self._take().text == "-", self._term()))
        return _sum(first, rest) if rest else first

    def _term(self) -> _Node:
        first, rest = self._factor(), []
        while self._is("*/"):
            divides = self._take().text == "/"
            position = self._token.position
            factor = self._factor()
            if divides and factor is _NOTHING:
                raise ExpressionError("division_by_constant_zero", "The divisor is the number 0.", position)
            rest.append((divides, factor))
        return _product(first, rest) if rest else first

    def _factor(self) -> _Node:
        negative = False
        while self._is("-"):
            self._take()
            negative = not negative
        node = self._primary()
        return _negation(node) if negative and node is not _NOTHING else node

    def _primary(self) -> _Node:
        token = self._token
        if token.kind == "number":
            return _constant(self._number())
        if token.kind == "reference":
            return self._reference()
        if token.kind == "name":
            return self._call()
        if not self._is("("):
            self._unexpected("a number, a column, a function or (")
        node = self._bracket()[0]
        self._close()
        return node

    def _number(self) -> Decimal:
        token = self._take()
        if len(token.text.replace(".", "")) > NUMBER_DIGITS:
            raise ExpressionError(
                "expression_syntax", f"A number may have at most {NUMBER_DIGITS} digits.", token.position
            )
        return Decimal(token.text)

    def _reference(self) -> _Node:
        token = self._take()
        if len(self.references) == REFERENCES:
            raise ExpressionError(
                "expression_too_complex", f"An expression may refer to at most {REFERENCES} columns.", token.position
            )
        key = canonical_key(token.text[2:-1], self._attribution)
        self.references.append(Reference(key, token.position))
        return _column(key)

    def _call(self) -> _Node:
        name = self._take()
        if not self._is("("):
            self._next -= 1
            self._unexpected("a number, a column, a function or (")
        if name.text not in _FUNCTIONS:
            known = ", ".join(_FUNCTIONS)
            raise ExpressionError("unknown_function", f"There is no such function; there are: {known}.", name.position)
        if name.text == "round":
            return self._round(name)
        arguments = self._bracket(many=True)
        self._close()
        fewest, most = _FUNCTIONS[name.text]
        if not fewest <= len(arguments) <= most:
            self._wrong_count(name)
        return {"coalesce": _coalesce, "min": _smallest, "max": _largest}[name.text](arguments)

    def _round(self, name: _Token) -> _Node:
        node = self._bracket()[0]
        if not self._is(","):
            self._wrong_count(name)
        self._take()
        places = self._token
        if places.kind != "number" or places.text not in map(str, range(ROUND_PLACES + 1)):
            self._unexpected(f"a digit from 0 to {ROUND_PLACES}")
        self._take()
        if self._is(","):
            self._wrong_count(name)
        self._close()
        return _rounding(node, int(places.text))

    def _bracket(self, *, many: bool = False) -> list[_Node]:
        """An opening bracket and what follows it up to the closing one."""
        opening = self._take()
        self._depth += 1
        if self._depth > NESTING:
            raise ExpressionError(
                "expression_too_deep", f"Brackets may be nested at most {NESTING} deep.", opening.position
            )
        nodes = [self._expression()]
        while many and self._is(","):
            self._take()
            nodes.append(self._expression())
        self._depth -= 1
        return nodes

    def _close(self) -> None:
        if not self._is(")"):
            self._unexpected("an operator or )")
        self._take()

    def _wrong_count(self, name: _Token) -> NoReturn:
        fewest, most = _FUNCTIONS[name.text]
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise ExpressionError("wrong_argument_count", f"{name.text} takes {wanted} arguments.", name.position)

    def _unexpected(self, expected: str) -> NoReturn:
        token = self._token
        found = "the expression ends" if token.kind == "end" else "something else stands"
        raise ExpressionError("expression_syntax", f"Expected {expected}, but {found} here.", token.position)


def _tokens(text: str) -> list[_Token]:
    """All tokens; the last one is the end."""
    return [
        _Token(kind, match[kind], match.start(kind)) for match in _TOKEN.finditer(text) if (kind := match.lastgroup)
    ]


# --- the functions that evaluate


def _nothing(row: _Row) -> Decimal | None:
    return _ZERO


_NOTHING: _Node = _nothing
"""The constant 0."""


def _constant(value: Decimal) -> _Node:
    if not value:
        return _NOTHING

    def constant(row: _Row) -> Decimal | None:
        return value

    return constant


def _column(key: str) -> _Node:
    def column(row: _Row) -> Decimal | None:
        value = row.values[key]
        return Decimal(value) if isinstance(value, int) else value

    return column


def _negation(node: _Node) -> _Node:
    def negation(row: _Row) -> Decimal | None:
        value = node(row)
        return None if value is None else _ARITHMETIC.minus(value)

    return negation


def _sum(first: _Node, rest: Sequence[tuple[bool, _Node]]) -> _Node:
    def total(row: _Row) -> Decimal | None:
        value = first(row)
        for negative, node in rest:
            term = node(row)
            if value is None or term is None:
                value = None
            else:
                value = _ARITHMETIC.subtract(value, term) if negative else _ARITHMETIC.add(value, term)
        return value

    return total


def _product(first: _Node, rest: Sequence[tuple[bool, _Node]]) -> _Node:
    def product(row: _Row) -> Decimal | None:
        value = first(row)
        for divides, node in rest:
            factor = node(row)
            if value is None or factor is None:
                value = None
            elif not divides:
                value = _ARITHMETIC.multiply(value, factor)
            elif factor:
                value = _ARITHMETIC.divide(value, factor)
            else:
                row.divided_by_zero = True
                value = row.quotient_by_zero
        return value

    return product


def _rounding(node: _Node, places: int) -> _Node:
    def rounding(row: _Row) -> Decimal | None:
        value = node(row)
        return None if value is None else rounded(value, places)

    return rounding


def _coalesce(nodes: Sequence[_Node]) -> _Node:
    def coalesce(row: _Row) -> Decimal | None:
        return next((value for node in nodes if (value := node(row)) is not None), None)

    return coalesce


def _smallest(nodes: Sequence[_Node]) -> _Node:
    def smallest(row: _Row) -> Decimal | None:
        values = [value for node in nodes if (value := node(row)) is not None]
        return min(values) if len(values) == len(nodes) else None

    return smallest


def _largest(nodes: Sequence[_Node]) -> _Node:
    def largest(row: _Row) -> Decimal | None:
        values = [value for node in nodes if (value := node(row)) is not None]
        return max(values) if len(values) == len(nodes) else None

    return largest
