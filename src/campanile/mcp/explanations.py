"""Metrics in words, from the registry that the numbers are computed by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from campanile.metrics.channels import CHANNELS
from campanile.metrics.funnel import STEPS
from campanile.metrics.reasons import REASONS
from campanile.metrics.registry import COUNTS, RATES, Term, wire_names


def explain(name: str) -> dict[str, Any]:
    """What a metric, funnel step or failure reason of that name means, and for which channels.

    Raises:
        LookupError: there is none; the message names similar ones.
    """
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_")
    meanings = list(_meanings(wanted))
    if not meanings:
        similar = [known for known in sorted(_names()) if wanted[:4] and (wanted in known or wanted[:4] in known)]
        hint = f" Similar: {', '.join(similar[:10])}." if similar else ""
        raise LookupError(f"There is no metric {name!r}.{hint}")
    return {"name": wanted, "meanings": meanings}


def _meanings(name: str) -> Iterator[dict[str, Any]]:
    channels = [key for key, channel in CHANNELS.items() if name in (*channel.fields, *channel.extended_fields)]
    for key, count in COUNTS.items():
        if name == key or name in wire_names(key):
            yield {
                "kind": "count", "label": count.label, "definition": count.definition, "channels": channels,
                "names": list(wire_names(key)),
                "unit": "TOTAL: events; UNIQUE: people",
            }  # fmt: skip
    if rate := RATES.get(name):
        formulas = {
            channel: f"100 × {_term(ratio.numerator)} ÷ {_term(ratio.denominator)}"
            for ratio in rate.ratios
            for channel in ratio.channels
        }
        yield {
            "kind": "rate", "label": rate.label, "definition": rate.definition, "channels": channels or list(formulas),
            "formulas": formulas, "unit": "percent, two decimals; 0 when there is nothing to divide by",
        }  # fmt: skip
    if step := STEPS.get(name):
        channels = [key for key, channel in CHANNELS.items() if name in channel.funnel]
        yield {"kind": "funnel step", "label": step.label, "definition": step.definition, "channels": channels}
    if reason := REASONS.get(name):
        yield {"kind": "failure reason", "label": reason.label, "channels": list(reason.channels)}


def _term(term: Term) -> str:
    text = f"unique {term.count}" if term.unique else term.count
    return f"({text} − {term.minus})" if term.minus else text


def _names() -> set[str]:
    return {*(name for key in COUNTS for name in wire_names(key)), *COUNTS, *RATES, *STEPS, *REASONS}
