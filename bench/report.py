"""What was measured, as data and as the page `docs/benchmarks.md`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.measure import Figure, Measured, Ratio, machine, revision, versions
from bench.sections import SECTIONS

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
RECORDED = Path(__file__).parent / "results.json"

OPENING = """\
# Benchmarks

Every claim of speed is a ratio: both sides were measured right after each other, in rounds, in one run. The tables show
the median and the range over the rounds. Absolute figures are for orientation only: they belong to the machine and the
run. `make bench` measures again what takes minutes, `make bench ARGS=--all` everything, and
`python -m bench NAME --write` one section."""


def stamped(measured: Measured) -> Measured:
    """With the place and the time of the measurement."""
    return msgspec.structs.replace(
        measured,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        revision=revision(),
        machine=machine(),
        versions=versions(),
    )


def read_recorded(path: Path) -> dict[str, Measured]:
    """The recorded measurements by section, in the order of the sections."""
    if not path.exists():
        return {}
    recorded = msgspec.json.decode(path.read_bytes(), type=dict[str, Measured])
    return {name: recorded[name] for name in SECTIONS if name in recorded}


def write_recorded(recorded: Mapping[str, Measured], path: Path) -> None:
    text = msgspec.json.format(msgspec.json.encode(recorded), indent=1)
    path.write_bytes(text + b"\n")


def page(recorded: Mapping[str, Measured]) -> str:
    """The recorded measurements as Markdown."""
    return "\n\n".join([OPENING, *(chapter(name, measured) for name, measured in recorded.items())]) + "\n"


def chapter(name: str, measured: Measured) -> str:
    """One section as Markdown."""
    section = SECTIONS[name]
    parts = [
        f"## {section.title}",
        f"`python -m bench {name}`, {measured.date}, revision {measured.revision}, on {measured.machine}; "
        f"{measured.versions}.",
    ]
    if measured.ratios:
        parts.append(_ratios(measured.ratios))
    if measured.figures:
        parts.append(_figures(measured.figures))
    if section.caveats:
        parts.append("\n".join(f"- {caveat}" for caveat in section.caveats))
    return "\n\n".join(parts)


def _ratios(ratios: tuple[Ratio, ...]) -> str:
    lines = ["| measure | median | lowest – highest | aim | in this run |", "|---|---|---|---|---|"]
    lines += [
        f"| {ratio.what} | **{_number(ratio.median)}** | {_number(min(ratio.ratios))} – {_number(max(ratio.ratios))} "
        f"| {ratio.aim} | {ratio.detail} |"
        for ratio in ratios
    ]
    return "\n".join(lines)


def _number(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2f}"


def _figures(figures: tuple[Figure, ...]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    return "\n".join([*lines, *(f"| {figure.what} | {figure.value} |" for figure in figures)])
