"""Every error that reaches a user.

    CampanileError
    ├── InvalidInput           400  a field or a whole body is wrong
    ├── Unauthenticated        401  no credentials, or wrong ones
    ├── Forbidden              403  right credentials, not enough of them
    ├── NotFound               404
    ├── MethodNotAllowed       405
    ├── RequestTimeout         408  the body arrived too slowly
    ├── NotAcceptable          406  refused for good: do not try again
    ├── Conflict               409  contradicts what is stored
    ├── PreconditionFailed     412
    ├── PayloadTooLarge        413
    ├── UnsupportedMediaType   415
    ├── Unprocessable          422  understood and refused as a whole
    ├── RateLimited            429  carries `retry_after` seconds
    ├── Unavailable            503  try again later, carries `retry_after` seconds
    │   └── EngineUnavailable       the event store cannot be read or written
    └── ConfigurationError     500  the operator has to change something

The exceptions know nothing of HTTP bodies: each API renders them in its own envelope.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request."""

    type: str
    """Stable identifier, lower_snake_case, such as `missing_field`."""
    message: str
    """A sentence for people; names the rule, never echoes personal data."""
    attribute: str = ""
    """Dotted path of the field; empty when the request as a whole is meant."""


class CampanileError(Exception):
    """Base of all errors shown to a user. `problems` lists everything wrong, the first one first."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        attribute: str = "",
        type: str | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.attribute = attribute
        self.error_type = type or self.type
        self.problems = problems or (Problem(self.error_type, message, attribute),)


class InvalidInput(CampanileError):
    status = 400
    type = "invalid_input"


class Unauthenticated(CampanileError):
    status = 401
    type = "unauthenticated"


class Forbidden(CampanileError):
    status = 403
    type = "forbidden"


class NotFound(CampanileError):
    status = 404
    type = "not_found"


class MethodNotAllowed(CampanileError):
    status = 405
    type = "method_not_allowed"


class NotAcceptable(CampanileError):
    status = 406
    type = "not_acceptable"


class RequestTimeout(CampanileError):
    status = 408
    type = "request_timeout"


class Conflict(CampanileError):
    status = 409
    type = "conflict"


class PreconditionFailed(CampanileError):
    status = 412
    type = "precondition_failed"


class PayloadTooLarge(CampanileError):
    status = 413
    type = "body_too_large"


class UnsupportedMediaType(CampanileError):
    status = 415
    type = "unsupported_media_type"


class Unprocessable(CampanileError):
    status = 422
    type = "unprocessable"


class RateLimited(CampanileError):
    status = 429
    type = "rate_limited"

    def __init__(self, message: str, *, retry_after: int, attribute: str = "") -> None:
        super().__init__(message, attribute=attribute)
        self.retry_after = retry_after


class Unavailable(CampanileError):
    status = 503
    type = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 2, type: str | None = None) -> None:
        super().__init__(message, type=type)
        self.retry_after = retry_after


class EngineUnavailable(Unavailable):
    type = "store_unavailable"


class ConfigurationError(CampanileError):
    type = "configuration"
