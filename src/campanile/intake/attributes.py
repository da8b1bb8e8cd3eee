"""The free values of custom and conversion events (ingest specification 1.4, 1.9)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal

import msgspec

from campanile.intake.limits import MAX_NUMBER
from campanile.intake.policy import Policy
from campanile.intake.verdicts import Refused
from campanile.kit.pii import address_in

_encode = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
_NUMBERS = Context(prec=60)
"""Digits of a number that are kept: more than any sender's double has."""
_FIELD = "attributes"


def canonical_attributes(value: object, policy: Policy, dropped: Callable[[str], None]) -> str:
    """`attributes` as a JSON object with sorted keys, without personal data; empty when nothing is left.

    `dropped` is told the name of every key that is left out.
    """
    if value is None:
        return ""
    if not isinstance(value, dict):
        raise Refused("invalid_type", _FIELD, "attributes must be an object")
    kept = _Cleaner(policy, dropped).cleaned(value)
    return _encode(kept).decode() if kept else ""


class _Cleaner:
    def __init__(self, policy: Policy, dropped: Callable[[str], None]) -> None:
        self._policy = policy
        self._dropped = dropped
        self._keys = 0

    def cleaned(self, value: dict[str, object]) -> dict[str, object]:
        limits = self._policy.limits
        self._keys += len(value)
        if self._keys > limits.attributes:
            raise Refused("too_many_attributes", _FIELD, f"attributes must hold at most {limits.attributes} keys")
        kept: dict[str, object] = {}
        for key, item in value.items():
            if len(key) > limits.attribute_key_chars:
                raise Refused(
                    "invalid_value",
                    _FIELD,
                    f"A key in attributes has more than {limits.attribute_key_chars} characters",
                )
            clean = self._value(item, key)
            if key.lower() in self._policy.denied_attributes or self._is_address(item):
                self._dropped(key)
            else:
                kept[key] = clean
        return kept

    def _value(self, value: object, key: str) -> object:
        if isinstance(value, str):
            if len(value) > self._policy.limits.attribute_value_chars:
                raise Refused(
                    "invalid_value",
                    _FIELD,
                    f"A text in attributes has more than {self._policy.limits.attribute_value_chars} characters",
                )
            return value
        if isinstance(value, dict):
            return self.cleaned(value)
        if isinstance(value, list):
            if any(map(self._is_address, value)):
                self._dropped(key)
            return [self._value(item, key) for item in value if not self._is_address(item)]
        if isinstance(value, Decimal):
            return value.normalize(_NUMBERS) if value else 0
        if isinstance(value, int) and not -MAX_NUMBER < value < MAX_NUMBER:
            raise Refused("invalid_value", _FIELD, "A number in attributes has more than 100 digits")
        return value

    def _is_address(self, value: object) -> bool:
        return isinstance(value, str) and self._policy.pii_mode != "allow" and address_in(value) is not None
