"""The reference page of all metrics, written from the registry: `python -m campanile.metrics.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from campanile.metrics.channels import CHANNELS
from campanile.metrics.funnel import STEPS
from campanile.metrics.reasons import BEFORE, EVERYWHERE, REASONS, SHORT_NAMES, Reason, normalise_reason
from campanile.metrics.registry import (
    CONVERSION_BASES,
    COUNTS,
    RATES,
    ConversionBase,
    Count,
    Rate,
    Ratio,
    Rows,
    Term,
    performance_keys,
)

_INTRODUCTION = """\
# Metrics

<!-- Written by `python -m campanile.metrics.reference` from the registry in `src/campanile/metrics`. -->

What every number of a campaign means. All numbers are computed from the event log for a node of the campaign tree
(platform, locale, variation) and a range of days of the workspace's time zone.

- **TOTAL** is the number of events, **UNIQUE** the number of different users among exactly those events, over the whole
  node and the whole range. UNIQUE numbers of days, platforms, locales or variations do not add up.
- A **rate** is a percentage of two counts of the same node: two decimals, rounded half up, `0` when the denominator is
  `0`. Rates are not capped at 100. A side marked *unique* is UNIQUE even when TOTAL was requested.
- *Extended* fields go beyond the published ones; a workspace can switch them off. Adjusted fields also need bot
  filtering (`bot_mode` `both` or `adjusted_only`).
"""
_CONDITIONS = {
    "mode": "machine rows not in bot mode `adjusted_only`",
    "exclude": "no machine rows",
    "setting": "machine rows unless `unsubscribe_bot` is `ignore`",
    "explicit": "campaigns that report attempts",
    "implied": "campaigns with implied attempts",
    "receipts": "not iOS push while `show_ios_impressions` is off",
    "sends": "iOS push while `show_ios_impressions` is off",
}


def reference() -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION, *_channels(), *_counts(), *_rates(), *_bases(), *_funnels(), *_reasons()]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _labels(channels: Sequence[str]) -> str:
    if tuple(channels) == EVERYWHERE:
        return "all"
    return ", ".join(CHANNELS[channel].label for channel in CHANNELS if channel in channels)


def _channels() -> Iterable[str]:
    yield "## Fields per channel\n"
    yield "In the order of `performance_stats`; aliases left out.\n"
    yield _table(
        ("Channel", "Key", "Platforms", "Fields", "Extended fields"),
        (
            (item.label, f"`{item.key}`", _code(item.platforms), _code(item.fields), _code(item.extended_fields))
            for item in CHANNELS.values()
            if item.fields
        ),
    )


def _counts() -> Iterable[str]:
    yield "## Counts\n"
    rows = []
    for count in COUNTS.values():
        names = _code((count.wire, *count.aliases))
        if not count.channels and not count.extended_channels:
            names = f"{names} (not a field of its own)"
        rows.append((names, count.label, count.definition, _fields(count), "; ".join(map(_rows, count.rows))))
    yield _table(("Field", "Label", "Definition", "Channels", "Events"), rows)


def _fields(count: Count) -> str:
    plain, extended = _labels(count.channels), _labels(count.extended_channels)
    return "; ".join(text for text in (plain, f"extended: {extended}" if extended else "") if text)


def _rows(rows: Rows) -> str:
    conditions = [_CONDITIONS[value] for value in (rows.bots, rows.attempts, rows.ios) if value in _CONDITIONS]
    if rows.device:
        conditions.append("with a device")
    if rows.marked is not None:
        conditions.append("inactive device token" if rows.marked else "first step of the audience")
    return f"`{rows.type}`" + (f" ({', '.join(conditions)})" if conditions else "")


def _rates() -> Iterable[str]:
    yield "## Rates\n"
    yield _table(
        ("Field", "Label", "Definition", "Channels", "Formula (× 100)"),
        (
            (f"`{rate.key}`", rate.label, rate.definition, _ratio_channels(rate, ratio), _formula(ratio))
            for rate in RATES.values()
            for ratio in rate.ratios
        ),
    )


def _ratio_channels(rate: Rate, ratio: Ratio) -> str:
    notes = [name for name, on in (("extended", ratio.extended), ("bot filtering", rate.adjusted)) if on]
    return _labels(ratio.channels) + (f" ({', '.join(notes)})" if notes else "")


def _formula(ratio: Ratio) -> str:
    text = f"{_term(ratio.numerator)} / {_term(ratio.denominator)}"
    if ratio.untracked is not None:
        text += f"; without delivery tracking {_term(ratio.numerator)} / {_term(ratio.untracked)}"
    return text


def _term(term: Term) -> str:
    text = f"{COUNTS[term.count].wire} − {COUNTS[term.minus].wire}" if term.minus else COUNTS[term.count].wire
    return f"unique {text}" if term.unique else f"({text})" if term.minus else text


def _bases() -> Iterable[str]:
    yield "## Bases of conversion rates\n"
    yield (
        "A conversion rate is unique conversions over the base. It does not depend on the requested metric type: a base"
        " that is not unique is the TOTAL.\n"
    )
    yield _table(
        ("Channels", "View-through, total conversions", "Click-through, in-session, click conversions"),
        ((_labels(base.channels), _base(base, base.view), _base(base, base.click)) for base in CONVERSION_BASES),
    )


def _base(base: ConversionBase, term: Term) -> str:
    text = _term(term)
    return text if base.untracked is None else f"{text}; without delivery tracking {_term(base.untracked)}"


def _funnels() -> Iterable[str]:
    yield "## Delivery funnels\n"
    yield (
        "The audience steps of a funnel count users: under TOTAL (instance, user) pairs, under UNIQUE users who pass in"
        " at least one instance. Each leaves out users with a `removed` or `failed` event whose reason belongs to that"
        " step or an earlier one, and everybody held in a control group. The last steps are plain counts.\n"
    )
    funnels: dict[tuple[str, ...], list[str]] = {}
    for channel in CHANNELS.values():
        if channel.funnel:
            funnels.setdefault(channel.funnel, []).append(channel.key)
    for steps, channels in funnels.items():
        yield f"### {_labels(channels)}\n"
        yield _table(
            ("#", "Step", "Counts", "Level"),
            (
                (str(number), f"`{step}`", STEPS[step].definition, "messages" if STEPS[step].count else "users")
                for number, step in enumerate(steps, start=1)
            ),
        )
    rest = [key for key, channel in CHANNELS.items() if not channel.funnel and performance_keys(key)]
    yield f"{_labels(rest)}: no funnel.\n"


def _reasons() -> Iterable[str]:
    yield "## Failure reasons\n"
    yield (
        "Keys of `failure_breakdown`. A sender may write the key, the short name, or on push the code. Other reasons"
        " are stored as sent; labels in plain words become keys: each space `_`, each capital `_` and its lower case."
        " `http_<status>` and `provider_error_<code>` come beside these.\n"
    )
    short = _short_names()
    yield _table(
        ("Key", "Label", "Channels", "Usual events", "Leaves the funnel at", "Short names", "Push code"),
        (
            (
                _code(filter(None, (reason.key, reason.other_key))),
                reason.label,
                _labels(reason.channels),
                _code(reason.usual),
                _stage(reason),
                _code(short.get(reason.key, ())),
                str(reason.code or ""),
            )
            for reason in REASONS.values()
        ),
    )


def _short_names() -> dict[str, list[str]]:
    """Key → short names that lead to it on some channel, platform and event type."""
    found: dict[str, list[str]] = {}
    for name in SHORT_NAMES:
        keys = {
            normalise_reason(name, type=type_, channel=channel, platform=platform)[0]
            for channel in CHANNELS
            for platform in ("", "IOS")
            for type_ in ("failed", "undelivered")
        }
        for key in keys:
            found.setdefault(key, []).append(name)
    return found


def _stage(reason: Reason) -> str:
    if reason.stage == BEFORE:
        return "before the first step"
    return f"`{reason.stage}`" if reason.stage else ""


if __name__ == "__main__":
    sys.stdout.write(reference())
