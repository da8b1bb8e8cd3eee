"""What must hold between the numbers of a node, and between a whole and its parts (metrics specification 2.5).

Nodes are leaves of the logical tree, as the golden fixtures and the Stats API write them: `performance_stats`
(extended fields merged or beside), `delivery_funnel`, `failure_breakdown`. A violation raises an AssertionError that
begins with the invariant's number. I15, I16 and I21 are no invariants and have no check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Leaf = Mapping[str, Any]
Tree = Mapping[str, Any]
Numbers = Mapping[str, Any]

PHONE = ("SMS", "MMS", "RCS", "WHATSAPP")
AUDIENCES = ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE")
MIRRORS = {"sent": "sent", "delivered": "delivered", "impressions": "impression"}
"""Funnel steps that repeat a count."""
MESSAGE_STEPS = {*MIRRORS, "user_devices", "active_device_token"}
AGGREGATES = {"ALL_PLATFORMS", "all_locales", "all_locale", "all_variations"}
CONTROL_GROUPS = {"campaign_control_group", "global_control_group"}


def check(name: str, holds: bool, *numbers: object) -> None:
    assert holds, f"{name}: {', '.join(map(str, numbers))}"


def stats(leaf: Leaf) -> dict[str, Any]:
    """All performance fields of a leaf, extended ones included."""
    return {**leaf.get("performance_stats", {}), **leaf.get("performance_stats_extended", {})}


def counts(leaf: Leaf) -> dict[str, int]:
    """The performance fields that are counts; `ctor` and everything named a rate are rates."""
    return {
        key: value
        for key, value in stats(leaf).items()
        if not key.endswith("_rate") and key not in ("ctr", "ctor", "adjusted_ctr", "adjusted_ctor")
    }


# ---- One node ----------------------------------------------------------------------------------------------------


def check_node(
    channel: str,
    total: Leaf,
    unique: Leaf,
    complete: bool,
    *,
    undelivered: int = 0,
    removed: int | None = None,
    survivors: bool = False,
    delivery_receipts: bool = True,
) -> None:
    """I1–I14, I17 and I18 for one node.

    Args:
        total, unique: the node under both metric types.
        complete: the range covers the campaign's whole life and nothing is in flight.
        undelivered, removed: TOTAL of these events (`removed` without control groups); they are on no wire.
            Without `removed`, I9 is checked as a lower bound.
        survivors: the campaign reported survivors of some funnel step, so that steps need not fit together.
        delivery_receipts: the provider reports deliveries.
    """
    t, u = stats(total), stats(unique)
    _check_sizes(total, unique)
    if "failed" in t and complete:
        check("I2", t["attempted"] == t["sent"] + t["failed"], t)
        check("I3", max(u["sent"], u["failed"]) <= u["attempted"] <= u["sent"] + u["failed"], u)
    for one in (t, u):
        if "failure_rate" in one and one["attempted"] > 0 and one["sent"] <= one["attempted"]:
            check("I4", abs(one["sent_rate"] + one["failure_rate"] - 100) < 0.0101, one)
        for adjusted, plain in (("adjusted_open", "opened"), ("adjusted_click", "click")):
            check("I18", one.get(adjusted, 0) <= one.get(plain, 0), one)
    if channel == "EMAIL" and t:
        check("I5", t["bounced"] == t["hard_bounce"] + t["soft_bounce"], t)
        both = u["hard_bounce"] + u["soft_bounce"]
        check("I6", max(u["hard_bounce"], u["soft_bounce"]) <= u["bounced"] <= both, u)
    if complete and t:
        if channel == "EMAIL":
            check("I7", t["delivered"] + t["bounced"] + undelivered <= t["sent"], t, undelivered)
        if channel in PHONE:
            check("I8", t["delivered"] + undelivered <= t["sent"], t, undelivered)
        if delivery_receipts and "delivered" in u:
            check("I14", u.get("read", 0) <= u["delivered"] and u.get("opened", 0) <= u["delivered"], u)
        if channel in AUDIENCES:
            for one in (t, u):
                chain = [one[key] for key in ("eligible_users", "attempted", "sent", "successfully_synced")]
                check("I17", chain == sorted(chain, reverse=True), one)
    if t:
        lost = sum(total["failure_breakdown"].values())
        if removed is not None and "failed" in t:
            check("I9", lost == t["failed"] + undelivered + removed, total, undelivered, removed)
        check("I9", lost >= t.get("failed", 0) + undelivered, total, undelivered)
    _check_funnel(total, unique, complete=complete, survivors=survivors)


def _check_sizes(total: Leaf, unique: Leaf) -> None:
    for name, t, u in (
        ("performance_stats", counts(total), counts(unique)),
        ("delivery_funnel", total["delivery_funnel"], unique["delivery_funnel"]),
        ("failure_breakdown", total["failure_breakdown"], unique["failure_breakdown"]),
    ):
        check("I1", t.keys() == u.keys(), name, t, u)
        for key, value in t.items():
            check("I1", 0 <= u[key] <= value and (u[key] > 0 or value == 0), name, key, u[key], value)


def _check_funnel(total: Leaf, unique: Leaf, *, complete: bool, survivors: bool) -> None:
    for leaf in (total, unique):
        steps: Mapping[str, int] = leaf["delivery_funnel"]
        if not survivors:
            levels = [value for key, value in steps.items() if key not in MESSAGE_STEPS]
            check("I10", levels == sorted(levels, reverse=True), steps)
            if "user_devices" in steps:
                check("I12", steps["active_device_token"] <= steps["user_devices"], steps)
        for step, field in MIRRORS.items():
            if step in steps and "performance_stats" in leaf:
                check("I13", steps[step] == stats(leaf)[field], step, steps, stats(leaf))
    if complete and not survivors:
        steps = unique["delivery_funnel"]
        amplified = "user_devices" in steps  # push: impressions without a send
        whole = [value for key, value in steps.items() if not (amplified and key == "impressions")]
        check("I11", whole == sorted(whole, reverse=True), steps)


# ---- Wholes and parts --------------------------------------------------------------------------------------------


def check_parts(
    whole: tuple[Leaf, Leaf],
    parts: Sequence[tuple[Leaf, Leaf]],
    *,
    exhaustive: bool,
    user_steps: bool = True,
) -> None:
    """I19 and I20 for a node and the nodes it is made of, each under TOTAL and UNIQUE.

    Args:
        exhaustive: every event of the whole is in a part (platforms, days, children). Otherwise some belong to the
            whole only (unassigned locales and variations), and the parts are no more than the whole.
        user_steps: user-level funnel steps of the whole are unions of those of the parts (not so for days, where a
            removal can be on another day).
    """
    total, unique = whole
    for total_numbers, unique_numbers, of in (
        (counts(total), counts(unique), counts),
        (total["failure_breakdown"], unique["failure_breakdown"], _failures),
        (_message_steps(total), _message_steps(unique), _message_steps),
    ):
        for key, value in total_numbers.items():
            amount = sum(of(part).get(key, 0) for part, _ in parts)
            check("I19", amount == value if exhaustive else amount <= value, key, value, amount)
        _check_union(unique_numbers, [of(part) for _, part in parts], exhaustive)
    if user_steps:
        _check_union(_user_steps(unique), [_user_steps(part) for _, part in parts], exhaustive)


def _check_union(whole: Numbers, parts: Sequence[Numbers], exhaustive: bool) -> None:
    for key, value in whole.items():
        sizes = [part.get(key, 0) for part in parts]
        check("I20", max(sizes, default=0) <= value, key, value, sizes)
        if exhaustive:
            check("I20", value <= sum(sizes), key, value, sizes)


def _failures(leaf: Leaf) -> Numbers:
    numbers: Numbers = leaf["failure_breakdown"]
    return numbers


def _message_steps(leaf: Leaf) -> Numbers:
    return {key: value for key, value in leaf["delivery_funnel"].items() if key in MESSAGE_STEPS}


def _user_steps(leaf: Leaf) -> Numbers:
    return {key: value for key, value in leaf["delivery_funnel"].items() if key not in MESSAGE_STEPS}


# ---- A campaign --------------------------------------------------------------------------------------------------


def check_tree(
    channel: str,
    total: Tree,
    unique: Tree,
    *,
    complete: bool,
    survivors: bool = False,
    delivery_receipts: bool = True,
) -> None:
    """Every invariant that the tree of one campaign (`{"platforms": …}`) must satisfy by itself.

    Both trees have the same nodes; aggregates come first; nodes satisfy `check_node`; platforms, locales and
    variations satisfy `check_parts` against their aggregates.
    """
    pairs = dict(_leaves(total, unique))
    for (_, _, variation), (t, u) in pairs.items():
        if variation in CONTROL_GROUPS:
            check("control group", "performance_stats" not in t and "performance_stats" not in u, variation)
            _check_sizes(t, u)
        else:
            check_node(channel, t, u, complete, survivors=survivors, delivery_receipts=delivery_receipts)
    for place in pairs:
        for position in range(3):
            if place[position] in AGGREGATES:
                parts = [
                    pair
                    for key, pair in pairs.items()
                    if key[position] not in AGGREGATES | CONTROL_GROUPS
                    and key[:position] + key[position + 1 :] == place[:position] + place[position + 1 :]
                ]
                if parts:
                    check_parts(pairs[place], parts, exhaustive=position == 0)


def _leaves(total: Tree, unique: Tree) -> Iterator[tuple[tuple[str, str, str], tuple[Leaf, Leaf]]]:
    for platform, t_platform, u_platform in _children(total, unique, "platforms"):
        for locale, t_locale, u_locale in _children(t_platform, u_platform, "locales"):
            for variation, t, u in _children(t_locale, u_locale, "variations"):
                yield (platform, locale, variation), (t, u)


def _children(total: Tree, unique: Tree, level: str) -> Iterator[tuple[str, Any, Any]]:
    keys = list(total[level])
    check("same nodes", keys == list(unique[level]), level, keys, list(unique[level]))
    late = [key for key in keys[1:] if key in AGGREGATES]
    check("aggregates first", not late, level, keys)
    for key in keys:
        yield key, total[level][key], unique[level][key]


def all_variations(tree: Tree, platform: str) -> Leaf:
    """The widest node of a platform."""
    locales = tree["platforms"][platform]["locales"]
    leaf: Leaf = next(iter(locales.values()))["variations"]["all_variations"]
    return leaf
