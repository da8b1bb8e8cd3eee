"""Which nodes a campaign's tree has: its platforms, and what splits it further (metrics specification 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from campanile.kit.ordering import natural_key
from campanile.metrics.channels import CHANNELS


class Level(NamedTuple):
    """Which dimensions a level of the tree keeps apart."""

    by_platform: bool
    by_locale: bool
    by_variation: bool

    @property
    def bits(self) -> int:
        """As the questions know it."""
        return self.by_platform + 2 * self.by_locale + 4 * self.by_variation


def platforms_of(channel_key: str, configured: Iterable[str], seen: Iterable[str]) -> list[str]:
    """Configured platforms and those with events, in the channel's order."""
    channel = CHANNELS[channel_key]
    keys = {*configured, *seen} if channel.device_platforms else {channel.key, *seen}
    order = {platform: position for position, platform in enumerate(channel.platforms)}
    return sorted(keys, key=lambda key: (order.get(key, len(order)), key))


def split_of(seen: Collection[str], declared: Sequence[str]) -> list[str]:
    """Named values, if there are at least two: declared ones first, then by name."""
    named = set(seen) - {""}
    if len(named) < 2:
        return []
    order = {name: position for position, name in enumerate(declared)}
    return sorted(named, key=lambda name: (order.get(name, len(order)), natural_key(name)))


def levels(over_all: bool, *, split_locales: bool, split_variations: bool) -> tuple[Level, ...]:
    """All levels of a tree; `over_all`: also those that roll platforms up."""
    return tuple(
        Level(by_platform, by_locale, by_variation)
        for by_platform in ((True, False) if over_all else (True,))
        for by_locale in ((False, True) if split_locales else (False,))
        for by_variation in ((False, True) if split_variations else (False,))
    )


def levels_of(channel: str, configured: Iterable[str], places: Collection[Sequence[str]]) -> tuple[Level, ...]:
    """All levels on which a campaign may have nodes over any range, given where all its events are: rows (platform,
    locale, variation)."""
    platforms = platforms_of(channel, configured, {place[0] for place in places if place[0]})
    return levels(
        len(platforms) > 1,
        split_locales=bool(split_of({place[1] for place in places}, ())),
        split_variations=bool(split_of({place[2] for place in places}, ())),
    )
