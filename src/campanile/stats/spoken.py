"""Answers about campaigns whose numbers stand still, as they were written last time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window
from campanile.metrics.pairs import MetricType
from campanile.stats.schemas import Attribution
from campanile.workspaces.schemas import Dialect, WorkspaceSettings

MEMORY_BYTES = 64 * 1024 * 1024
"""Texts kept; beyond, those used longest ago are forgotten."""
LARGEST_TEXT_BYTES = 1024 * 1024
"""One campaign must not drive out all others."""
KEY_BYTES = 1_000
"""Rough memory of what belongs to a text, in bytes."""


class Phrase(NamedTuple):
    """What is asked about a campaign."""

    workspace_id: str
    days: Window
    attribution: Attribution
    metric_type: MetricType
    dialect: Dialect


class _Text(NamedTuple):
    campaign: Campaign
    settings: WorkspaceSettings
    standing: object
    text: bytes


class Spoken:
    """Thread-safe. A text is true for the campaign, the settings and the standing numbers that it was written for."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, Phrase], _Text] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def recall(
        self, phrase: Phrase, campaign: Campaign, settings: WorkspaceSettings, standing: object | None
    ) -> bytes | None:
        """The text about a campaign, if all is as it was. `standing`: None for numbers that do not stand still."""
        if standing is None:
            return None
        name = (campaign.campaign_id, phrase)
        with self._lock:
            known = self._texts.get(name)
            if known is None or known.standing is not standing:
                return None
            if known.campaign != campaign or known.settings != settings:
                return None
            self._texts.move_to_end(name)
            return known.text

    def keep(
        self, phrase: Phrase, campaign: Campaign, settings: WorkspaceSettings, standing: object | None, text: bytes
    ) -> None:
        """Remember a text. The standing numbers must have been looked up before it was written."""
        if standing is None or len(text) > LARGEST_TEXT_BYTES:
            return
        name = (campaign.campaign_id, phrase)
        with self._lock:
            old = self._texts.pop(name, None)
            self._size += len(text) - len(old.text) if old is not None else len(text) + KEY_BYTES
            self._texts[name] = _Text(campaign, settings, standing, text)
            while self._size > MEMORY_BYTES:
                _, forgotten = self._texts.popitem(last=False)
                self._size -= len(forgotten.text) + KEY_BYTES
