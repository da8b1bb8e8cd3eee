"""The single fields of an event: names, enumerations and what each value may look like (ingest specification 1.9)."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from hashlib import sha256

from campanile.intake.limits import LABEL_CHARS, MAX_REVENUE, REVENUE_DECIMALS
from campanile.intake.verdicts import Refused
from campanile.metrics.channels import (
    ALL_LOCALES,
    ALL_PLATFORMS,
    ALL_VARIATIONS,
    CAMPAIGN_CONTROL_GROUP,
    CHANNELS,
    GLOBAL_CONTROL_GROUP,
)
from campanile.metrics.funnel import REPORTABLE_STEPS
from campanile.metrics.rows import EVENT_TYPES

TYPES: frozenset[str] = frozenset(EVENT_TYPES)
"""Types a sender may use."""
MERGE_TYPE = "user_merge"
"""Two ids turn out to be one person's: `from_user_id` is merged into `to_user_id`."""
TYPE_ALIASES: dict[str, str] = {
    "opened": "open",
    "clicked": "click",
    "view": "impression",
    "shown": "impression",
    "received": "impression",
    "spam": "complaint",
    "closed": "close",
    "track": "custom",
}
WITHOUT_CAMPAIGN = frozenset({"custom", "uninstall", MERGE_TYPE})
"""Acts of a user that belong to no campaign; campaign fields on them, often from `defaults`, are not stored."""
WITH_REASON = frozenset({"removed", "failed", "undelivered"})
"""Types whose reason is `unknown_error` when none is given."""

CHANNEL_ALIASES: dict[str, str] = {
    "INAPP": "IN_APP",
    "ONSITE": "OSM",
    "ON_SITE": "OSM",
    "CARD": "CARDS",
    "CONNECTORS": "CONNECTOR",
    "FACEBOOK": "FACEBOOK_AUDIENCE",
    "GOOGLE ADS": "GOOGLE_ADS_AUDIENCE",
    "GOOGLE_ADS": "GOOGLE_ADS_AUDIENCE",
}
DELIVERY_TYPES = frozenset(
    {
        "ONE_TIME", "PERIODIC", "EVENT_TRIGGERED", "BUSINESS_EVENT_TRIGGERED", "DEVICE_TRIGGERED",
        "LOCATION_TRIGGERED", "BROADCAST_LIVE_ACTIVITY", "API_TRIGGERED",
    }
)  # fmt: skip
DELIVERY_TYPE_ALIASES = {"BUSINESS_TRIGGERED": "BUSINESS_EVENT_TRIGGERED"}
ATTRIBUTIONS = frozenset({"VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"})
STEPS: frozenset[str] = REPORTABLE_STEPS | {"eligible"}

RESERVED_WORDS = frozenset({ALL_LOCALES, "all_locale", ALL_VARIATIONS, CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP})
"""Keys of the Stats response that no locale and no variation may have."""
RESERVED_NAME_PREFIX = "moe_"

PLACEHOLDER_IDS = frozenset(
    {
        "unknown", "guest", "null", "none", "0", "1", "2", "-1", "-2", "true", "false", "na", "n/a", "id", "uid",
        "userid", "user_id", "customer_id", "(empty)", "", "user_attribute_unique_id", "dummy_seller_code",
    }
)  # fmt: skip
"""User ids, in lower case, that stand for "none" and would merge many people into one."""

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_PLATFORM = re.compile(r"[A-Z0-9_]{1,32}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_NOT_A_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_MAX_DECIMAL_CHARS = 64
_MAX_NUMBERED_VARIATION = 10**18
_MONEY = Context(prec=40, rounding=ROUND_HALF_EVEN)
_MONEY_STEP = Decimal(1).scaleb(-REVENUE_DECIMALS)


def text(value: object, field: str, max_chars: int) -> str:
    """A text of at most `max_chars` characters without control characters; None and empty mean absent."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused("invalid_type", field, f"{field} must be a string")
    if len(value) > max_chars:
        raise Refused("invalid_value", field, f"{field} must have at most {max_chars} characters")
    if not value.isprintable() and _CONTROL.search(value):
        raise Refused("invalid_value", field, f"{field} must not hold control characters")
    return value


def choice(value: object, field: str, allowed: frozenset[str], aliases: dict[str, str] | None = None) -> str:
    """One of the allowed upper-case words, in any case; empty when absent."""
    word = text(value, field, LABEL_CHARS).upper()
    word = (aliases or {}).get(word, word)
    if word and word not in allowed:
        raise Refused("invalid_value", field, f"{field} must be one of {', '.join(sorted(allowed))}")
    return word


def object_id(value: object, field: str) -> str:
    """24 hexadecimal digits, in lower case; empty when absent."""
    found = text(value, field, LABEL_CHARS)
    if found and not _OBJECT_ID.fullmatch(found):
        raise Refused("invalid_value", field, f"{field} must be 24 hexadecimal digits")
    return found.lower()


def campaign_id_of_key(workspace_id: str, key: str) -> str:
    """The campaign id that stands for a sender's own campaign key."""
    return sha256(f"{workspace_id}:{key}".encode()).hexdigest()[:24]


def channel_name(value: object, field: str = "channel") -> str:
    """The canonical channel; empty when absent."""
    if value is not None and not isinstance(value, str):
        raise Refused("invalid_type", field, f"{field} must be a string")
    name = (value or "").upper()
    name = CHANNEL_ALIASES.get(name, name)
    if name and name not in CHANNELS:
        raise Refused("unknown_channel", field, f"{field} must be one of {', '.join(CHANNELS)}")
    return name


def platform_name(value: object, field: str) -> str:
    """A platform in upper case; empty when absent. The word for all platforms is none."""
    name = text(value, field, LABEL_CHARS).upper()
    if name and not _PLATFORM.fullmatch(name):
        raise Refused("invalid_value", field, f"{field} must be 1 to 32 letters, digits and underscores")
    if name == ALL_PLATFORMS:
        raise Refused("reserved_value", field, f"{field} must not be a key of the Stats response")
    return name


def locale_name(value: object, field: str = "locale") -> str:
    """A locale; empty when absent."""
    return _unreserved(text(value, field, LABEL_CHARS), field)


def variation_name(value: object, field: str = "variation") -> str:
    """A variation; a bare integer n is `variation_n`. Empty when absent."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < _MAX_NUMBERED_VARIATION:
            raise Refused("invalid_value", field, f"{field} as a number must be between 0 and 10^18")
        return f"variation_{value}"
    name = text(value, field, LABEL_CHARS)
    if name.isascii() and name.isdigit() and int(name) < _MAX_NUMBERED_VARIATION:
        return f"variation_{int(name)}"
    return _unreserved(name, field)


def _unreserved(name: str, field: str) -> str:
    if name.lower() in RESERVED_WORDS:
        raise Refused("reserved_value", field, f"{field} must not be a key of the Stats response")
    return name


def flag(value: object, field: str) -> bool:
    """A JSON boolean; absent means false."""
    if value is None or value is False or value is True:
        return bool(value)
    raise Refused("invalid_type", field, f"{field} must be true or false")


def currency_code(value: object, field: str) -> str:
    """Three letters, in upper case; empty when absent."""
    code = text(value, field, LABEL_CHARS).upper()
    if code and not _CURRENCY.fullmatch(code):
        raise Refused("invalid_value", field, f"{field} must be a currency code of three letters")
    return code


def money(value: object, field: str) -> Decimal | None:
    """An amount with four decimals, given as a number or a decimal text; None when absent."""
    if isinstance(value, str) and value:
        if _NOT_A_NUMBER.fullmatch(value):
            raise Refused("non_finite_number", field, f"{field} must be finite")
        if len(value) > _MAX_DECIMAL_CHARS or not _DECIMAL.fullmatch(value):
            raise Refused("invalid_value", field, f"{field} as a text must be a decimal number")
        amount = Decimal(value)
    elif value is None or value == "":
        return None
    elif isinstance(value, Decimal):
        amount = value
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = Decimal(value)
    else:
        raise Refused("invalid_type", field, f"{field} must be a number or a decimal text")
    if not -MAX_REVENUE <= amount <= MAX_REVENUE:
        raise Refused("invalid_value", field, f"{field} must be between -10^12 and 10^12")
    exact = amount.quantize(_MONEY_STEP, context=_MONEY)
    return exact if exact else exact.copy_abs()
