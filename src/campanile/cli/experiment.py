"""`campanile experiment`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.output import print_json, stdout, table
from campanile.client import RetryPolicy

ATTEMPTS = 4
"""Times a request is sent; somebody is waiting in front of it."""
NAMES = {
    "treatment": "treated",
    "campaign_control_group": "campaign control group",
    "global_control_group": "global control group",
}
CAUTIONS = {
    "windows_open": "Windows are open until {settled_at}: more conversions may come.",
    "people_in_both_groups": "{in_both} people were held out and got the message, too.",
    "repeated_people": "People count several times, once per instance: intervals are too narrow.",
}
SPLITS = {
    "as_declared": "as declared",
    "mismatch": "NOT as declared",
    "too_few": "too few to check",
    "not_checked": "not checked",
}
BASES = {
    "declared": "declared",
    "equal_assumed": "equal parts assumed, none declared",
    "automatic": "the sender shifts shares by itself",
    "names_differ": "the document names other variations",
    "nothing_declared": "no share declared",
    "drawn_again": "people were drawn several times",
}


def experiment(
    campaign: Annotated[str, Parameter(help="Campaign id.")],
    /,
    *,
    from_: Annotated[
        str, Parameter(name="--from", help="First day of the sends, YYYY-MM-DD; the campaign's first if not given.")
    ] = "",
    to: Annotated[str, Parameter(help="Last day, YYYY-MM-DD; today if not given.")] = "",
    attribution: Annotated[
        list[Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]] | None,
        Parameter(negative="", consume_multiple=True, help="Attribution types beside the intention to treat."),
    ] = None,
    goal: Annotated[str, Parameter(help="Name of the only goal to show.")] = "",
    format: Annotated[Literal["table", "json"], Parameter(help="What is printed.", show_default=True)] = "table",
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Ask whether a campaign caused anything, by its control groups, and which of its variations is best."""
    with connect(server, workspace, key, RetryPolicy(attempts=ATTEMPTS)) as client:
        answer = client.experiment(
            campaign, start_date=from_, end_date=to, attribution_types=attribution or (), goal=goal
        )
    if format == "json":
        print_json(answer)
    else:
        print_experiment(stdout(), answer)
    return 0


def print_experiment(console: Console, answer: Mapping[str, Any]) -> None:
    """The answer as a reader wants it: the verdict first, then the numbers behind it."""
    days = f"{answer['start_date']} to {answer['end_date']} ({answer['timezone']})"
    console.print(f"{answer['campaign_name']}, {answer['channel']}, sent {days}", soft_wrap=True)
    for caution in answer["cautions"]:
        console.print(CAUTIONS[caution].format(**answer), soft_wrap=True)
    for group in answer["control_groups"]:
        _split(console, NAMES[group["group"]].capitalize(), group["sample_ratio"])
        for caution in group["cautions"]:
            console.print(f"  {CAUTIONS[caution].format(**group)}", soft_wrap=True)
    if answer["variation_split"]:
        _split(console, "Variations", answer["variation_split"])
    if not answer["goals"]:
        console.print("No goal that an event fulfils, so there is nothing to compare.")
    for goal in answer["goals"]:
        console.print(f"\nGoal “{goal['goal']}”, within {goal['window_hours']} hours", soft_wrap=True)
        if not goal["control_groups"] and goal["variations"] is None:
            console.print("No control group and no variations to compare.")
        for group in goal["control_groups"]:
            _effect(console, group)
        if goal["variations"] is not None:
            _variations(console, goal["variations"])


def _split(console: Console, name: str, ratio: Mapping[str, Any]) -> None:
    parts = ", ".join(
        f"{NAMES.get(part, part)} {size:,}" + (f" ({ratio['shares'][part]:g} %)" if part in ratio["shares"] else "")
        for part, size in ratio["parts"].items()
    )
    chance = "" if ratio["p_value"] is None else f", p = {ratio['p_value']:.2g}"
    state = f"{SPLITS[ratio['status']]} ({BASES[ratio['basis']]})"
    console.print(f"{name}: {parts}: {state}{chance}", soft_wrap=True)


def _effect(console: Console, group: Mapping[str, Any]) -> None:
    intended = group["intention_to_treat"]
    console.print(f"{NAMES[group['group']].capitalize()}: {intended['explanation']}", soft_wrap=True)
    sides = [("sent to", intended["treatment"]), ("held out", intended["control"])]
    rows = [_side(name, side) for name, side in sides]
    console.print(table(("", "people", "converted", "rate %", "95 % interval"), rows))
    if intended["difference"] is not None:
        console.print(
            f"Difference {intended['difference']:+.2f} points ({_interval(intended['difference_interval'])}), "
            f"uplift {_uplift(intended)} ({_interval(intended['uplift_interval'])}), "
            f"p = {intended['p_value']:.2g}, {intended['incremental_conversions']:+,.0f} conversions",
            soft_wrap=True,
        )
    for attributed in group["attributed"]:
        exposed, wire = attributed["exposed"], attributed["wire"]
        console.print(
            f"{attributed['attribution']}: Stats API cvr {wire['cvr']:g} against {wire['control_cvr']:g}, uplift "
            f"{wire['uplift']:g}; of those reached {exposed['treatment']['converted']:,} of "
            f"{exposed['treatment']['size']:,} against {exposed['control']['converted']:,} of "
            f"{exposed['control']['size']:,}: {exposed['verdict']}",
            soft_wrap=True,
        )


def _variations(console: Console, test: Mapping[str, Any]) -> None:
    console.print(f"Variations: {test['explanation']}", soft_wrap=True)
    rows = [_side(side["name"], side) for side in test["variations"]]
    console.print(table(("", "people", "converted", "rate %", "95 % interval"), rows))
    pairs = [
        (
            f"{pair['first']} – {pair['second']}",
            f"{pair['difference']:+.2f}",
            _interval(pair["difference_interval"]),
            f"{pair['adjusted_p_value']:.2g}",
        )
        for pair in test["pairs"]
    ]
    if pairs:
        console.print(table(("", "points", "interval", "p, adjusted"), pairs))


def _side(name: str, side: Mapping[str, Any]) -> tuple[object, ...]:
    return name, side["size"], side["converted"], side["rate"], _interval(side["rate_interval"])


def _uplift(effect: Mapping[str, Any]) -> str:
    return f"{effect['uplift']:+.1f} %" if effect["control"]["converted"] else "unknown"


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.2f} to {ends[1]:.2f}"
