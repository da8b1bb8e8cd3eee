"""Hooks of providers and events that could not be stored, by the API of a Campanile server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from campanile.client.reports import Ask, Document


class Hooks:
    """Every method raises as those of the client do."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def create(
        self, provider: str, *, name: str = "", secret: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Document:
        """A new hook; secrets that the server made are in this answer only."""
        order = {"provider": provider, "name": name, "secret": secret, "options": dict(options or {})}
        return self._ask("POST", "/v1/hooks", order)

    def all(self) -> list[Document]:
        """All hooks, oldest first."""
        found: list[Document] = self._ask("GET", "/v1/hooks")["hooks"]
        return found

    def get(self, hook_id: str) -> Document:
        """One hook."""
        return self._ask("GET", _path(hook_id))

    def rotate(self, hook_id: str, *, secret: str | None = None, address: bool = False) -> Document:
        """A new secret, and a new address if wanted; the previous ones work for another day."""
        return self._ask("POST", _path(hook_id, "/rotate"), {"secret": secret, "address": address})

    def test(self, hook_id: str, delivery: object = None) -> Document:
        """What a delivery would do; None: a sample of the provider."""
        return self._ask("POST", _path(hook_id, "/test"), delivery)

    def deliveries(self, hook_id: str) -> list[Document]:
        """The last deliveries, newest first."""
        found: list[Document] = self._ask("GET", _path(hook_id, "/deliveries"))["deliveries"]
        return found

    def delete(self, hook_id: str) -> None:
        """Delete a hook."""
        self._ask("DELETE", _path(hook_id))

    def dead_letters(self) -> list[Document]:
        """Events that could not be stored, newest first."""
        found: list[Document] = self._ask("GET", "/v1/dead-letters")["dead_letters"]
        return found

    def retry(self, ids: Sequence[str] | None = None) -> Document:
        """Try dead letters again: those named, or all."""
        return self._ask("POST", "/v1/dead-letters/retry", {"ids": None if ids is None else list(ids)})


def _path(hook_id: str, rest: str = "") -> str:
    return f"/v1/hooks/{quote(hook_id, safe='')}{rest}"
