"""From the oracle's counts to the logical tree of the golden fixtures: rates, and the shape."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any

from tests.oracle.model import DEVICE_CHANNELS, Campaign, Node, NodeKey, Pair, Workspace, measure


def percent(numerator: int, denominator: int) -> int | float:
    if denominator == 0:
        return 0
    hundredths = floor(Fraction(10_000 * numerator, denominator) + Fraction(1, 2))
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100


def performance(
    campaign: Campaign, counts: Mapping[str, Pair], metric_type: str, bot_mode: str
) -> tuple[dict[str, int | float], dict[str, int | float]]:
    """Plain and extended fields."""
    channel = campaign["channel"]
    phone = channel in ("SMS", "MMS", "RCS", "WHATSAPP")

    def x(key: str) -> int:
        return counts[key].total if metric_type == "TOTAL" else counts[key].unique

    def u(key: str) -> int:
        return counts[key].unique

    plain: dict[str, int | float] = {}
    extended: dict[str, int | float] = {}

    def count(target: dict[str, int | float], *keys: str) -> None:
        target.update({key: x(key) for key in keys})

    def attempts(target: dict[str, int | float]) -> None:
        count(target, "attempted", "failed")
        target["sent_rate"] = percent(x("sent"), x("attempted"))
        target["failure_rate"] = percent(max(0, x("attempted") - x("sent")), x("attempted"))

    if channel == "PUSH":
        attempts(plain)
        count(plain, "sent", "impression", "click")
        plain["ctr"] = percent(x("click"), x("impression"))
        plain["delivery_rate"] = percent(x("impression"), x("sent"))
    elif channel == "EMAIL":
        attempts(plain)
        count(plain, "sent", "delivered", "bounced", "hard_bounce", "soft_bounce", "opened", "click")
        count(plain, "unsubscribe", "complaint")
        plain["ctr"] = percent(x("click"), x("delivered"))
        plain["delivery_rate"] = percent(x("delivered"), x("sent"))
        plain["open_rate"] = percent(u("opened"), x("delivered"))
        plain["ctor"] = percent(u("click"), u("opened"))
        plain["bounce_rate"] = percent(x("bounced"), x("sent"))
        plain["unsub_rate"] = percent(x("unsubscribe"), x("delivered"))
        plain["complaints_rate"] = percent(x("complaint"), x("delivered"))
        if bot_mode != "off":
            extended["adjusted_open"] = x("human_open")
            extended["adjusted_open_rate"] = percent(u("human_open"), x("delivered"))
            extended["adjusted_click"] = x("human_click")
            extended["adjusted_ctr"] = percent(x("human_click"), x("delivered"))
            extended["adjusted_ctor"] = percent(u("human_click"), u("human_open"))
    elif phone:
        attempts(extended if channel == "WHATSAPP" else plain)
        count(plain, "sent", "delivered", "click")
        plain["delivery_rate"] = percent(x("delivered"), x("sent"))
        if channel == "WHATSAPP":
            plain["ctr"] = percent(u("click"), x("delivered"))
            extended["ctor"] = percent(u("click"), u("read"))
        else:
            base = "delivered" if campaign.get("delivery_tracking", True) else "sent"
            plain["ctr"] = percent(x("click"), x(base))
        if channel in ("RCS", "WHATSAPP"):
            count(plain, "read")
            plain["read_rate"] = percent(u("read"), u("delivered"))
    elif channel in ("IN_APP", "OSM", "WEB_PERSONALIZATION"):
        count(plain, "impression", "click", "closed_click")
        plain["ctr"] = percent(x("click"), x("impression"))
    elif channel == "CARDS":
        count(plain, "sent", "delivered", "impression", "click")
        plain["ctr"] = percent(x("click"), x("impression"))
        plain["delivery_rate"] = percent(x("delivered"), x("sent"))
    elif channel in ("CONNECTOR", "CONNECTED_APPS"):
        attempts(plain)
        count(plain, "sent")
        plain["ctr"] = percent(x("click"), x("sent"))
    elif channel in ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE"):
        count(plain, "eligible_users", "attempted", "sent", "successfully_synced")
    return plain, extended


def leaf(workspace: Workspace, campaign: Campaign, node: Node, metric_type: str) -> dict[str, Any]:
    """A node as the golden fixtures write it."""

    def x(pairs: Mapping[str, Pair]) -> dict[str, int]:
        return {key: pair.total if metric_type == "TOTAL" else pair.unique for key, pair in pairs.items()}

    result: dict[str, Any] = {}
    if not node.control_group:
        plain, extended = performance(campaign, node.counts, metric_type, workspace.bot_mode)
        result["performance_stats"] = plain
        if extended:
            result["performance_stats_extended"] = extended
    return {**result, "delivery_funnel": x(node.funnel), "failure_breakdown": x(node.failures)}


def tree(
    workspace: Workspace, campaign_id: str, metric_type: str, *, all_platforms: bool | None = None
) -> dict[str, Any]:
    """The logical tree of a campaign.

    `all_platforms` says whether the node over all platforms is shown; by default, as in the fixtures, for channels
    with device platforms when the campaign has more than one.
    """
    nodes = measure(workspace, campaign_id)
    campaign = workspace.campaign(campaign_id)
    if all_platforms is None:
        platforms = {key[0] for key in nodes} - {"ALL_PLATFORMS"}
        all_platforms = campaign["channel"] in DEVICE_CHANNELS and len(platforms) > 1
    shown = {key: node for key, node in nodes.items() if all_platforms or key[0] != "ALL_PLATFORMS"}
    return nested({key: leaf(workspace, campaign, node, metric_type) for key, node in shown.items()})


def nested(leaves: Mapping[NodeKey, Any]) -> dict[str, Any]:
    """(platform, locale, variation) → leaf as `platforms → locales → variations`."""
    result: dict[str, Any] = {"platforms": {}}
    for (p, loc, var), value in leaves.items():
        locales = result["platforms"].setdefault(p, {"locales": {}})["locales"]
        locales.setdefault(loc, {"variations": {}})["variations"][var] = value
    return result
