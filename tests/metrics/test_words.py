"""Every number that is shown has words."""

from __future__ import annotations

import pytest

from campanile.metrics.channels import CHANNELS
from campanile.metrics.formulas import conversion_base
from campanile.metrics.pairs import Pair
from campanile.metrics.words import conversion_base_words, explain, explained


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_field_of_every_channel_is_explained(channel: str) -> None:
    found = explained(channel, extended=True, adjusted=True, delivery_tracking=True)
    fields = {*CHANNELS[channel].fields, *CHANNELS[channel].extended_fields}
    assert {item.field for item in found} == fields
    assert all(item.label and item.definition.endswith(".") for item in found)
    assert all(("÷" in item.definition) == item.is_rate for item in found)


def test_rates_name_what_they_divide_by() -> None:
    assert explain("ctr", "EMAIL").definition.endswith(" clicks ÷ delivered.")
    assert explain("open_rate", "EMAIL").definition.endswith(" unique opens ÷ delivered.")
    assert explain("ctr", "SMS", delivery_tracking=False).definition.endswith(" clicks ÷ sent.")
    assert explain("failure_rate", "PUSH").definition.endswith(" (attempted − sent) ÷ attempted.")


@pytest.mark.parametrize("attribution", ["VIEW_THROUGH", "CLICK_THROUGH"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_conversion_rates_have_words_where_they_have_a_base(channel: str, attribution: str) -> None:
    counts = {
        key: Pair(3, 2) for key in ("impression", "click", "all_open", "delivered", "sent", "successfully_synced")
    }
    words = conversion_base_words(channel, attribution, delivery_tracking=True)
    assert bool(words) == bool(conversion_base(channel, attribution, counts, True))


def test_untracked_campaigns_divide_by_sends() -> None:
    assert conversion_base_words("SMS", "CLICK_THROUGH", delivery_tracking=False) == "sent"
    assert conversion_base_words("EMAIL", "CLICK_THROUGH", delivery_tracking=True) == "unique clicks"
