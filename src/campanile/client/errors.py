"""What can go wrong for a caller.

ClientError
├── Unreachable   no usable answer arrived, after all retries
├── Damaged       a file is not what the server said it would send (`client.downloads`)
└── Refused       the server answered with an error
    └── NotReady      there is no such file, or not yet, or not any more (`client.downloads`)
"""

from __future__ import annotations

MAX_MESSAGE = 500
"""Characters of a foreign answer that are repeated in a message."""


class ClientError(Exception):
    """Base of all errors of the client."""


class Unreachable(ClientError):
    """The server cannot be reached, or its answer was not what this API answers."""


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
