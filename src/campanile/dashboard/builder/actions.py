"""What the buttons of the builder do to a form before it is saved: words, with what they concern behind colons."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from campanile.dashboard.builder.form import Custom, Given, keyed
from campanile.reports.service import columns_by_key, default_keys


def act(given: Given, word: str, model: str) -> Given:
    """The form after a button; one that is unknown, or that makes no sense, changes nothing.

    Args:
        model: the attribution model of the workspace.
    """
    name, *rest = word.split(":", 2)
    change = _ACTIONS.get((name, len(rest)))
    return given if change is None else change(given, model, *rest)


def _with(given: Given, token: str, keys: tuple[str, ...]) -> Given:
    return msgspec.structs.replace(given, columns={**given.columns, token: keys})


def _own(given: Given, model: str, token: str) -> Given:
    """Begin with the usual columns of a channel, and those that were defined here."""
    if token not in given.channels or token in given.columns:
        return given
    customs = keyed(given.custom)
    own = [custom.key for custom in customs if not custom.channels or token in custom.channels]
    started = msgspec.structs.replace(given, custom=customs)
    return _with(started, token, (*default_keys(token, model), *own))


def _usual(given: Given, _: str, token: str) -> Given:
    return msgspec.structs.replace(given, columns={name: keys for name, keys in given.columns.items() if name != token})


def _same(given: Given, _: str, token: str) -> Given:
    """The columns of this channel in all others, as far as they have them."""
    keys = given.columns.get(token)
    if keys is None:
        return given
    known = {
        other: tuple(key for key in keys if key in columns_by_key(other) or key.startswith("custom."))
        for other in given.channels
    }
    return msgspec.structs.replace(given, columns={**given.columns, **known})


def _add(given: Given, model: str, token: str, key: str) -> Given:
    started = _own(given, model, token)
    keys = started.columns.get(token, ())
    return started if key in keys or token not in started.columns else _with(started, token, (*keys, key))


def _remove(given: Given, model: str, token: str, key: str) -> Given:
    started = _own(given, model, token)
    keys = tuple(known for known in started.columns.get(token, ()) if known != key)
    return _with(started, token, keys) if keys else started


def _move(given: Given, token: str, key: str, by: int) -> Given:
    keys = list(given.columns.get(token, ()))
    if key not in keys:
        return given
    place = keys.index(key)
    keys.remove(key)
    keys.insert(max(0, place + by), key)
    return _with(given, token, tuple(keys))


def _pick(given: Given, _: str, campaign_id: str) -> Given:
    return msgspec.structs.replace(given, mode="manual", ids=tuple(dict.fromkeys((*given.ids, campaign_id))))


def _drop(given: Given, _: str, campaign_id: str) -> Given:
    return msgspec.structs.replace(given, ids=tuple(known for known in given.ids if known != campaign_id))


def _more(given: Given, _: str) -> Given:
    return msgspec.structs.replace(given, custom=(*given.custom, Custom()))


def _fewer(given: Given, _: str, index: str) -> Given:
    kept = tuple(custom for number, custom in enumerate(given.custom) if str(number) != index)
    return msgspec.structs.replace(given, custom=kept)


_ACTIONS: dict[tuple[str, int], Callable[..., Given]] = {
    ("own", 1): _own,
    ("usual", 1): _usual,
    ("same", 1): _same,
    ("add", 2): _add,
    ("remove", 2): _remove,
    ("up", 2): lambda given, _, token, key: _move(given, token, key, -1),
    ("down", 2): lambda given, _, token, key: _move(given, token, key, 1),
    ("pick", 1): _pick,
    ("drop", 1): _drop,
    ("more", 0): _more,
    ("fewer", 1): _fewer,
}
"""Word and number of things it concerns → what it does."""
