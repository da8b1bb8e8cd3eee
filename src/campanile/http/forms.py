"""Forms as browsers send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from campanile.errors import InvalidInput, UnsupportedMediaType
from campanile.http.bodies import read_body

FORM = "application/x-www-form-urlencoded"
FORM_BYTES = 64 * 1024
"""Size of a form, unless a page says otherwise."""
MOST_FIELDS = 2_000


class Form:
    """The fields of a form, in their order; a field may occur several times."""

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        self.fields = tuple(fields)

    def text(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return next((value for field, value in self.fields if field == name), default)

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for field, value in self.fields if field == name]

    def __contains__(self, name: str) -> bool:
        return any(field == name for field, _ in self.fields)


async def read_form(request: Request[Any, Any, Any], *, limit: int = FORM_BYTES) -> Form:
    """The form in the body.

    Raises:
        UnsupportedMediaType: another media type. InvalidInput: unreadable. Otherwise as `read_body`.
    """
    body = await read_body(request, limit=limit)
    if not body:
        return Form()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(f"Content-Type must be {FORM}.")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidInput("The form cannot be read.", type="invalid_form") from error
    if any("\0" in text for field in fields for text in field):  # databases refuse NUL in a text
        raise InvalidInput("The form cannot be read.", type="invalid_form")
    return Form(fields)
