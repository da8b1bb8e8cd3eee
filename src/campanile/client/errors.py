"""What can go wrong for a caller.

ClientError
├── Unreachable       no usable answer arrived, after all retries
├── Refused           the server answered with an error
│   └── NotReady          there is no such file, or not yet, or not any more
├── Damaged           a file is not what the server said it would send
├── WrongQuestion     days or ids that make no sense; nothing was asked
├── NotAdditive       what was asked for would need UNIQUE numbers to be added up
├── SendingStopped    only a part of the events was acknowledged
└── MissingPackage    a conversion needs a package that is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campanile.client.events import Sent

MAX_MESSAGE = 500
"""Characters of a foreign answer that are repeated in a message."""


class ClientError(Exception):
    """Base of all errors of the client."""


class Unreachable(ClientError):
    """The server cannot be reached, or its answer was not what this API answers."""

    def __init__(self, message: str, *, arrived: bool = True) -> None:
        super().__init__(message)
        self.arrived = arrived
        """Whether the request may have arrived all the same."""


class Refused(ClientError):
    """The server answered with an error status."""

    def __init__(
        self, status: int, message: str, *, retry_after: float | None = None, problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{message[:MAX_MESSAGE]} (HTTP {status})")
        self.status = status
        self.message = message
        self.retry_after = retry_after
        """Seconds the server asked to wait, if it did."""
        self.problems = problems
        """Everything the server found wrong, if it lists that."""


class NotReady(Refused):
    """There is no such file, or not yet, or not any more: the server answered 400."""


class Damaged(ClientError):
    """What arrived is not what the server said it would send."""


class WrongQuestion(ClientError, ValueError):
    """What was asked for makes no sense; the server was not troubled with it."""


class NotAdditive(ClientError):
    """UNIQUE numbers count people, and one person may be in several windows: their sum means nothing."""


class SendingStopped(ClientError):
    """Sending ended before its end; the cause is `__cause__`. Sending the same events again is safe."""

    def __init__(self, message: str, sent: Sent) -> None:
        super().__init__(message)
        self.sent = sent
        """What became of the events that were answered."""


class MissingPackage(ClientError):
    """An optional package is not installed; the message says how to get it."""
