"""Which channel has which field: the published matrix, line by line."""

from __future__ import annotations

import pytest

from campanile.metrics.channels import CHANNELS
from campanile.metrics.registry import COUNTS, RATES, performance_keys
from tests.oracle.histories import CHANNELS as TESTED

ORDER = (
    "PUSH", "EMAIL", "SMS", "MMS", "RCS", "WHATSAPP", "IN_APP", "OSM", "WEB_PERSONALIZATION", "CARDS", "CONNECTOR",
    "CONNECTED_APPS", "FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE",
)  # fmt: skip
# One column per channel of ORDER: `f` field, `x` extended field, `.` absent.
MATRIX = """
attempted           fffffx....ffff
sent                ffffff...fffff
failed              fffffx....ff..
delivered           .fffff...f....
bounced             .f............
hard_bounce         .f............
soft_bounce         .f............
impression          f.....ffff....
opened              .f............
read                ....ff........
click               ffffffffff....
closed_click        ......fff.....
unsubscribe         .f............
complaint           .f............
eligible_users      ............ff
successfully_synced ............ff
ctr                 ffffffffffff..
delivery_rate       ffffff...f....
sent_rate           fffffx....ff..
failure_rate        fffffx....ff..
open_rate           .f............
ctor                .f...x........
read_rate           ....ff........
bounce_rate         .f............
unsub_rate          .f............
complaints_rate     .f............
adjusted_open       .x............
adjusted_ctor       .x............
adjusted_open_rate  .x............
adjusted_click      .x............
adjusted_ctr        .x............
"""


@pytest.mark.parametrize("line", MATRIX.strip().splitlines())
def test_matrix(line: str) -> None:
    field, marks = line.split()
    for channel, mark in zip(ORDER, marks, strict=True):
        known = CHANNELS[channel]
        assert (field in known.fields, field in known.extended_fields) == (mark == "f", mark == "x"), channel


def test_matrix_is_complete() -> None:
    fields = {line.split()[0] for line in MATRIX.strip().splitlines()}
    assert {*ORDER, "OTHER"} == set(CHANNELS)
    assert set(ORDER) == set(TESTED)
    for channel in CHANNELS.values():
        assert {*channel.fields, *channel.extended_fields} <= fields
        assert len({*channel.fields, *channel.extended_fields}) == len(channel.fields) + len(channel.extended_fields)


def test_order_of_push_is_the_published_one() -> None:
    assert CHANNELS["PUSH"].fields == (
        "attempted", "sent", "failed", "impression", "click", "ctr", "delivery_rate", "sent_rate", "failure_rate",
    )  # fmt: skip


def test_every_metric_is_used() -> None:
    shown = {key for channel in CHANNELS for key in performance_keys(channel)}
    internal = {"undelivered", "all_open", "active_device_token", "user_devices"}
    assert shown | internal == set(COUNTS) | set(RATES)
    for rate in RATES.values():
        for ratio in rate.ratios:
            for term in filter(None, (ratio.numerator, ratio.denominator, ratio.untracked)):
                assert term.count in COUNTS and (not term.minus or term.minus in COUNTS)


def test_platforms() -> None:
    assert CHANNELS["PUSH"].platform("ios") == "IOS"
    assert CHANNELS["PUSH"].platform("") == "UNKNOWN"
    assert CHANNELS["EMAIL"].platform("") == "EMAIL"
    assert [key for key, channel in CHANNELS.items() if channel.device_platforms] == [
        "PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION",
    ]  # fmt: skip
    assert CHANNELS["PUSH"].default_platforms == ()
    assert CHANNELS["CARDS"].default_platforms == ("CARDS",)


def test_a_channel_without_rules_has_no_fields() -> None:
    other = CHANNELS["OTHER"]
    assert (other.fields, other.extended_fields, other.funnel) == ((), (), ())
