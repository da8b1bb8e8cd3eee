"""Passwords: which are accepted, and how they are kept (argon2id)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from campanile.errors import InvalidInput, Unavailable

CHARACTERS = range(10, 257)
"""Lengths of a password; the upper end bounds the work."""
GENERATED_BYTES = 15
"""Random bytes of a password that we make: 20 characters."""
AT_A_TIME = 2
"""Passwords hashed at the same time: each takes 64 MiB and four threads for a moment."""
MOST_WAITING = 8
"""Requests that wait for their turn, each in a thread of the server; beyond, people are asked to try again."""


class Passwords:
    """Hashes and checks passwords; thread-safe. Under too much load all of it raises `Unavailable`.

    Args:
        hasher: another cost, for tests.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = threading.BoundedSemaphore(AT_A_TIME)
        self._waiting = threading.BoundedSemaphore(AT_A_TIME + MOST_WAITING)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        with self._in_turn():
            return self._hasher.hash(password)

    def fits(self, stored: str | None, password: str) -> bool:
        """Whether this is the password. Without a stored one the answer is no, and takes as long."""
        if stored is None:
            if self._nobody is None:
                self._nobody = self.hash(secrets.token_urlsafe(GENERATED_BYTES))
            self._verify(self._nobody, password)
            return False
        return self._verify(stored, password)

    def outdated(self, stored: str) -> bool:
        """Whether it was hashed at another cost than is used now."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        with self._in_turn():
            try:
                return self._hasher.verify(stored, password)
            except (VerificationError, InvalidHashError):
                return False

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise Unavailable("Too many people are signing in; try again in a moment.", type="busy")
        try:
            with self._turn:
                yield
        finally:
            self._waiting.release()


def generated() -> str:
    """A password nobody can guess."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def check(password: str, *forbidden: str) -> str:
    """A password somebody chose.

    Raises:
        InvalidInput: too short, too long, one character over and over, or one of `forbidden`, such as the address.
    """
    if len(password) not in CHARACTERS:
        message = f"A password has {CHARACTERS.start} to {CHARACTERS.stop - 1} characters."
    elif len(set(password)) < 5:
        message = "A password has at least 5 different characters."
    elif password.casefold() in {word.casefold() for word in forbidden}:
        message = "The password must not be the name or the address."
    else:
        return password
    raise InvalidInput(message, attribute="password", type="weak_password")
