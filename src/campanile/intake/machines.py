"""Opens and clicks made by machines: mail proxies, scanners, previews (metrics specification 4).

The rules are data: `machines.csv` of this package, or a file of the operator in its place. Each row names an act
(`open`, `click` or `any`), a field (`user_agent` or `address`), how it is compared (`exact` or `partial`, ignoring
case; `range` for addresses) and the value. User agents and addresses are looked at and forgotten.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from campanile.errors import ConfigurationError

ACTS = ("open", "click")
"""Types of events that machines produce."""
MAX_RULES = 10_000
"""Rows of one file: every open is compared with all of them."""


class _Rules(NamedTuple):
    exact: frozenset[str]
    partial: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]

    def fit(self, user_agent: str, address: str) -> bool:
        agent = user_agent.strip().lower()
        if agent and (agent in self.exact or any(part in agent for part in self.partial)):
            return True
        if not address or not self.networks:
            return False
        try:
            place = ip_address(address.strip())
        except ValueError:
            return False
        place = getattr(place, "ipv4_mapped", None) or place
        return any(place in network for network in self.networks)


class MachineRules:
    """The rules of one file."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            ConfigurationError: a row that cannot be understood; names its line.
        """
        found: dict[str, tuple[set[str], list[str], list[IPv4Network | IPv6Network]]] = {
            act: (set(), [], []) for act in ACTS
        }
        rows = list(csv.DictReader(text.splitlines()))
        if len(rows) > MAX_RULES:
            raise ConfigurationError(f"a file of machine rules may have {MAX_RULES} rows")
        for line, row in enumerate(rows, start=2):
            kind, value = (row.get("field"), row.get("match")), (row.get("value") or "").strip()
            for act in ACTS if row.get("act") == "any" else (row.get("act") or "",):
                if act not in found or not value:
                    raise ConfigurationError(
                        f"machine rules, line {line}: act must be open, click or any, with a value"
                    )
                exact, partial, networks = found[act]
                if kind == ("user_agent", "exact"):
                    exact.add(value.lower())
                elif kind == ("user_agent", "partial"):
                    partial.append(value.lower())
                elif kind in (("address", "range"), ("address", "exact")):
                    try:
                        networks.append(ip_network(value, strict=False))
                    except ValueError as error:
                        raise ConfigurationError(f"machine rules, line {line}: {value} is no address") from error
                else:
                    raise ConfigurationError(f"machine rules, line {line}: this comparison does not exist")
        self._rules = {
            act: _Rules(frozenset(exact), tuple(partial), tuple(networks))
            for act, (exact, partial, networks) in found.items()
        }

    def machine(self, act: str, user_agent: str, address: str) -> bool:
        """Whether an event of type `act` was made by a machine."""
        rules = self._rules.get(act)
        return rules is not None and rules.fit(user_agent, address)


@cache
def machine_rules(path: str = "") -> MachineRules:
    """The rules in the file at `path`, or those of this package.

    Raises:
        ConfigurationError: the file cannot be read or understood.
    """
    if not path:
        return MachineRules((resources.files("campanile.intake") / "machines.csv").read_text(encoding="utf-8"))
    try:
        return MachineRules(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the machine rules in {path}: {error}") from error
