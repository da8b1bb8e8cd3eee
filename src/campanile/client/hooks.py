"""Hooks of providers and events that could not be stored, by the API of a Campanile server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from campanile.client.drivers import Awaiting, Blocking, awaiting, blocking
from campanile.client.effects import Steps
from campanile.client.reports import Document
from campanile.client.session import Session, ask_json

PATH = "/v1/hooks"
DEAD_LETTERS = "/v1/dead-letters"


def create(
    session: Session,
    provider: str,
    *,
    name: str = "",
    secret: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Steps[Document]:
    """A new hook; secrets that the server made are in this answer only."""
    order = {"provider": provider, "name": name, "secret": secret, "options": dict(options or {})}
    return (yield from ask_json(session, "POST", PATH, order, shape=Document, repeatable=False))


def list_all(session: Session) -> Steps[list[Document]]:
    """All hooks, oldest first."""
    answer = yield from ask_json(session, "GET", PATH, shape=Document)
    found: list[Document] = answer["hooks"]
    return found


def get(session: Session, hook_id: str) -> Steps[Document]:
    """One hook."""
    return (yield from ask_json(session, "GET", _path(hook_id), shape=Document))


def rotate(session: Session, hook_id: str, *, secret: str | None = None, address: bool = False) -> Steps[Document]:
    """A new secret, and a new address if wanted; the previous ones work for another day."""
    order = {"secret": secret, "address": address}
    return (yield from ask_json(session, "POST", _path(hook_id, "/rotate"), order, shape=Document, repeatable=False))


def test(session: Session, hook_id: str, delivery: object = None) -> Steps[Document]:
    """What a delivery would do; None: a sample of the provider."""
    return (yield from ask_json(session, "POST", _path(hook_id, "/test"), delivery, shape=Document))


def deliveries(session: Session, hook_id: str) -> Steps[list[Document]]:
    """The last deliveries, newest first."""
    answer = yield from ask_json(session, "GET", _path(hook_id, "/deliveries"), shape=Document)
    found: list[Document] = answer["deliveries"]
    return found


def delete(session: Session, hook_id: str) -> Steps[None]:
    """Delete a hook."""
    yield from ask_json(session, "DELETE", _path(hook_id), shape=Document)


def dead_letters(session: Session) -> Steps[list[Document]]:
    """Events that could not be stored, newest first."""
    answer = yield from ask_json(session, "GET", DEAD_LETTERS, shape=Document)
    found: list[Document] = answer["dead_letters"]
    return found


def retry(session: Session, ids: Sequence[str] | None = None) -> Steps[Document]:
    """Try dead letters again: those named, or all."""
    order = {"ids": None if ids is None else list(ids)}
    return (yield from ask_json(session, "POST", f"{DEAD_LETTERS}/retry", order, shape=Document))


class Hooks(Blocking):
    """Every method raises as those of the client do."""

    create = blocking(create)
    all = blocking(list_all)
    get = blocking(get)
    rotate = blocking(rotate)
    test = blocking(test)
    deliveries = blocking(deliveries)
    delete = blocking(delete)
    dead_letters = blocking(dead_letters)
    retry = blocking(retry)


class AsyncHooks(Awaiting):
    """As `Hooks`."""

    create = awaiting(create)
    all = awaiting(list_all)
    get = awaiting(get)
    rotate = awaiting(rotate)
    test = awaiting(test)
    deliveries = awaiting(deliveries)
    delete = awaiting(delete)
    dead_letters = awaiting(dead_letters)
    retry = awaiting(retry)


def _path(hook_id: str, rest: str = "") -> str:
    return f"{PATH}/{quote(hook_id, safe='')}{rest}"
