"""What is known about one request, and the random ids it is given."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

SCOPE_KEY = "campanile"
"""Key of the `RequestContext` in the ASGI scope."""

ERROR_CODE_LETTERS = 8
"""Length of the code that names one occurrence of an error to its caller and in the log."""

_CALLER_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


class Ids(Protocol):
    """Source of the ids shown to callers; tests put fixed ones here."""

    def request_id(self) -> str: ...
    def error_code(self) -> str: ...


class RandomIds:
    """Ids nobody can guess."""

    def request_id(self) -> str:
        return secrets.token_hex(10)

    def error_code(self) -> str:
        return "".join(secrets.choice(string.ascii_letters) for _ in range(ERROR_CODE_LETTERS))


class RequestContext:
    """Filled in while a request travels inwards; read by the error renderer and the access log.

    `headers` are added to the response whatever its status turns out to be. `named` is the id that the caller gave the
    request in its body, where the API has one.
    """

    __slots__ = ("error_code", "headers", "key_id", "named", "request_id", "workspace_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.named = ""
        self.workspace_id = ""
        self.key_id = ""
        self.error_code = ""
        self.headers: dict[str, str] = {}


def context_of(scope: Mapping[str, Any] | MutableMapping[str, Any]) -> RequestContext:
    """The context of a request; outside the middleware an anonymous one, so that handlers can be called alone."""
    context = scope.get(SCOPE_KEY)
    return context if isinstance(context, RequestContext) else RequestContext("")


def caller_request_id(value: str | None) -> str | None:
    """An id given by a proxy in front of us, if it is harmless to log and to send back."""
    return value if value is not None and _CALLER_REQUEST_ID.match(value) else None
