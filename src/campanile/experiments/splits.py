"""How a campaign says its audience is divided, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from campanile.experiments.schemas import OVERLAP, Basis, SampleRatio
from campanile.experiments.statistics import check_split
from campanile.experiments.verdicts import p_value

AUTOMATIC = "SHERPA"
"""Distribution type of campaigns whose sender shifts shares to the better variation while it runs."""
TREATED = "treatment"


class Declared(msgspec.Struct, frozen=True):
    """The shares that a campaign document declares, in percent."""

    control: float | None
    variations: Mapping[str, float]
    automatic: bool


def declared(document: Mapping[str, Any]) -> Declared:
    """What a canonical document says (campaign specification 4, 9)."""
    groups = document.get("control_group_details") or {}
    share = groups.get("campaign_control_group_percentage")
    enabled = groups.get("is_campaign_control_group_enabled")
    details = (document.get("campaign_content") or {}).get("variation_details") or {}
    shares = details.get("manual_distribution_percentage") or {}
    return Declared(
        control=float(share) if enabled and share and float(share) < 100 else None,
        variations={name: float(value) for name, value in shares.items()},
        automatic=details.get("distribution_type") == AUTOMATIC,
    )


def control_ratio(group: str, tried: int, held_out: int, share: float | None, *, in_both: int = 0) -> SampleRatio:
    """The treated against one control group.

    Args:
        share: the declared percentage of the group.
        in_both: pairs that are in both parts; with more than a few the parts are no division of anything.
    """
    parts = {TREATED: tried, group: held_out}
    if share is None:
        return _unchecked(parts, "nothing_declared")
    if in_both > OVERLAP * min(tried, held_out):
        return _unchecked(parts, "drawn_again")
    return _checked(parts, {TREATED: 100 - share, group: share}, "declared")


def variation_ratio(tried: Mapping[str, int], declaration: Declared) -> SampleRatio:
    """Variations against each other; equal parts are assumed where nothing is declared."""
    if declaration.automatic:
        return _unchecked(tried, "automatic")
    if not declaration.variations:
        return _checked(tried, dict.fromkeys(tried, 100 / len(tried)), "equal_assumed")
    shares = {name: share for name, share in declaration.variations.items() if share > 0}
    if not tried.keys() <= shares.keys():
        return _unchecked(tried, "names_differ")
    return _checked({name: tried.get(name, 0) for name in shares}, shares, "declared")


def _checked(parts: Mapping[str, int], shares: Mapping[str, float], basis: Basis) -> SampleRatio:
    split = check_split(list(parts.values()), list(shares.values()))
    shown = {name: round(share, 2) for name, share in shares.items()}
    return SampleRatio(
        status=split.status, basis=basis, parts=dict(parts), shares=shown, p_value=p_value(split.p_value)
    )


def _unchecked(parts: Mapping[str, int], basis: Basis) -> SampleRatio:
    return SampleRatio(status="not_checked", basis=basis, parts=dict(parts), shares={}, p_value=None)
