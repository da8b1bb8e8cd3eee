"""The questions about the log, answered in Python with the product's own tables: row classes, stages, formulas.

What SQL does with `class_metrics` and `reason_stages` is done here with loops, so that the tables can be compared with
the oracle without an engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from campanile.metrics.formulas import performance_stats
from campanile.metrics.funnel import NEVER, entry_steps, funnel, reason_stages, user_steps
from campanile.metrics.pairs import MetricType, Pair
from campanile.metrics.reasons import CONTROL_REASONS, INACTIVE_DEVICE_TOKEN
from campanile.metrics.registry import wire_names
from campanile.metrics.rows import METRIC_KEYS, TYPE_CODES, class_metrics, row_class
from tests.oracle.model import (
    Campaign,
    Event,
    NodeKey,
    Workspace,
    deduplicated,
    failures,
    family,
    in_range,
    instance,
    of_node,
    platform,
    reason,
    user,
)


class Log:
    """The events of one campaign in the range."""

    def __init__(self, workspace: Workspace, campaign: Campaign) -> None:
        members = family(workspace, campaign["campaign_id"])
        self.workspace, self.campaign, self.channel = workspace, campaign, str(campaign["channel"])
        self.rows = [e for e in in_range(deduplicated(workspace.events), workspace) if e["campaign_id"] in members]
        settings = workspace.settings
        self.bot_mode: Any = settings.get("bot_mode", "off")
        self.classes = class_metrics(self.bot_mode, settings.get("unsubscribe_bot", "count"))

    def counts(self, key: NodeKey) -> dict[str, Pair]:
        """count() and uniqExact(user) per metric number of the row's class."""
        users: dict[int, list[Any]] = defaultdict(list)
        for event in of_node(self.rows, key):
            for number in self.classes[self._class(event)]:
                users[number].append(user(event))
        return {METRIC_KEYS[number]: Pair(len(found), len(set(found))) for number, found in users.items()}

    def _class(self, event: Event) -> int:
        hidden = not self.workspace.settings.get("show_ios_impressions", True)
        return row_class(
            TYPE_CODES[event["type"]],
            machine=bool(event.get("machine")) and event["channel"] == "EMAIL",
            ios_substitute=hidden and event["channel"] == "PUSH" and platform(event) == "IOS",
            implied=self.workspace.campaign(event["campaign_id"]).get("attempts") == "implied",
            has_device=bool(event.get("device_id")),
            marked=(event["type"] == "removed" and reason(event) == INACTIVE_DEVICE_TOKEN)
            or (event["type"] == "qualified" and event.get("step", "") not in entry_steps(self.channel)),
        )

    def funnel(self, key: NodeKey) -> dict[str, Pair]:
        stages = reason_stages(self.channel)
        stage: dict[Any, int] = defaultdict(lambda: NEVER)
        for event in self.rows:
            if event["type"] in ("removed", "failed"):
                stage[_triple(event)] = min(stage[_triple(event)], stages.get(reason(event), NEVER))
        qualified = [event for event in of_node(self.rows, key) if event["type"] == "qualified"]
        deepest: dict[Any, int] = {}
        for event in qualified:
            if event.get("step", "") in entry_steps(self.channel):
                pair = (instance(event), user(event))
                deepest[pair] = max(deepest.get(pair, 0), stage[_triple(event)])
        depths = _histogram(deepest)
        return funnel(
            self.channel,
            dict.fromkeys(user_steps(self.channel), depths),
            self.counts(key),
            {step: self._survivors(step, qualified, stage) for step in self._reported()},
            {},
        )

    def _reported(self) -> set[str]:
        named = {event.get("step", "") for event in self.rows if event["type"] == "qualified"}
        return named - set(entry_steps(self.channel))

    def _survivors(self, step: str, qualified: Sequence[Event], stage: dict[Any, int]) -> Pair:
        events = [event for event in qualified if event.get("step") == step]
        if step in user_steps(self.channel):
            kept = {(instance(event), user(event)) for event in events if stage[_triple(event)] > 0}
            return Pair(len(kept), len({who for _, who in kept}))
        return Pair(len(events), len({user(event) for event in events}))

    def failures(self, key: NodeKey) -> dict[str, Pair]:
        found = failures(of_node(self.rows, key))
        return {name: Pair(*pair) for name, pair in found.items() if name not in CONTROL_REASONS}

    def performance(self, key: NodeKey, metric_type: MetricType) -> dict[str, int | float]:
        """Fields without aliases."""
        stats = performance_stats(
            self.channel,
            self.counts(key),
            metric_type=metric_type,
            bot_mode=self.bot_mode,
            delivery_tracking=self.campaign.get("delivery_tracking", True),
            extended=True,
        )
        aliases = {alias for metric in METRIC_KEYS[1:] for alias in wire_names(metric)[1:]}
        return {name: value for name, value in stats.items() if name not in aliases}


def _triple(event: Event) -> Any:
    return instance(event), user(event), platform(event)


def _histogram(deepest: dict[Any, int]) -> dict[int, Pair]:
    best: dict[Any, int] = {}
    for (_, who), depth in deepest.items():
        best[who] = max(best.get(who, 0), depth)
    totals, uniques = list(deepest.values()), list(best.values())
    return {depth: Pair(totals.count(depth), uniques.count(depth)) for depth in set(totals)}
