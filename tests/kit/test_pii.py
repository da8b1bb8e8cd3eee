"""Addresses become pseudonyms where they name a user and disappear everywhere else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from campanile.intake.content import content
from campanile.kit.pii import Address, address_in, clean_link, masked, pseudonym
from tests.intake.parsing import POLICY, conversion, custom, event, parsed, record, verdict

KEY = b"pseudonym-key-for-tests"
ADA = "p_06909ff53cba5e74b516ecabcdc42134"
PHONE = "p_044a90e6f1726049a379c547f004b1c5"
REJECT = msgspec.structs.replace(POLICY, pii_mode="reject")
ALLOW = msgspec.structs.replace(POLICY, pii_mode="allow")


def test_vectors() -> None:
    assert pseudonym(KEY, Address("email", "ada@example.net")) == ADA
    assert pseudonym(KEY, Address("phone", "+15551230001")) == PHONE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.net", Address("email", "ada@example.net")),
        (" Ada@Example.NET ", Address("email", "ada@example.net")),
        ("Ada Lovelace <ada@example.net>", Address("email", "ada@example.net")),
        ("mailto:ada@example.net", Address("email", "ada@example.net")),
        ("ada+news@mail.example.co.uk", Address("email", "ada+news@mail.example.co.uk")),
        ("+15551230001", Address("phone", "+15551230001")),
        (" +1 (555) 123-00.01 ", Address("phone", "+15551230001")),
        ("+1234567", Address("phone", "+1234567")),
        ("+123456789012345", Address("phone", "+123456789012345")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert address_in(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "u-1001", "15551230001", "0015551230001", "+123456", "+1234567890123456", "+0123456789", "user@host", "@",
     "a@b", "@example.net", "+1555123ext", "C++", "+"],
)  # fmt: skip
def test_opaque_ids(text: str) -> None:
    assert address_in(text) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("550 5.1.1 <ada@example.net> user unknown", "550 5.1.1 <*> user unknown"),
        ("no route to +1 555 123 0001 today", "no route to * today"),
        ("caller 5551230001 busy", "caller * busy"),
        ("caller 555 123 0001 busy", "caller * busy"),
        ("from 192.0.2.17 refused", "from * refused"),
        ("from 2001:db8::1 refused", "from * refused"),
        ("error 30008 after 12 tries at 09:00:00", "error 30008 after 12 tries at 09:00:00"),
        ("131026", "131026"),
        ("", ""),
    ],
)
def test_masks(text: str, clean: str) -> None:
    assert masked(text) == clean


@pytest.mark.parametrize(
    ("link", "kept", "with_query"),
    [
        ("https://shop.example/a?u=1#x", "https://shop.example/a", "https://shop.example/a?u=1#x"),
        ("https://shop.example/a#x?y", "https://shop.example/a", "https://shop.example/a#x?y"),
        ("https://ada:pw@shop.example/a", "https://shop.example/a", "https://shop.example/a"),
        ("https://shop.example/u/ada@example.net/x", "https://shop.example/u/*/x", "https://shop.example/u/*/x"),
        ("https://shop.example/u/ada%40example.net", "https://shop.example/u/*", "https://shop.example/u/*"),
        ("https://shop.example/+15551230001/x", "https://shop.example/*/x", "https://shop.example/*/x"),
        ("https://shop.example/?e=ada@example.net&x=1", "https://shop.example/", "https://shop.example/?e=*&x=1"),
        (
            "https://shop.example/@ada/posts?p=1",
            "https://shop.example/@ada/posts",
            "https://shop.example/@ada/posts?p=1",
        ),
        ("mailto:ada@example.net?subject=Hi", "mailto:", "mailto:"),
        ("TEL:+15551230001", "tel:", "tel:"),
        ("app://open/cart", "app://open/cart", "app://open/cart"),
        ("", "", ""),
    ],
)
def test_links(link: str, kept: str, with_query: str) -> None:
    assert clean_link(link, keep_query=False) == kept
    assert clean_link(link, keep_query=True) == with_query


class TestUsers:
    def test_hash_is_the_default(self) -> None:
        assert event(record(user_id="Ada@example.net")).user_id == ADA
        assert event(record(user_id="+1 555 123 0001")).user_id == PHONE

    def test_devices_as_well(self) -> None:
        assert event(record(user_id=..., device_id="ada@example.net")).device_id == ADA

    def test_reject(self) -> None:
        assert verdict(record(user_id="ada@example.net"), REJECT) == ("pii_rejected", "user_id")
        assert verdict(record(device_id="+15551230001"), REJECT) == ("pii_rejected", "device_id")
        assert event(record(), REJECT).user_id == "u-1"

    def test_allow(self) -> None:
        assert event(record(user_id="Ada@example.net"), ALLOW).user_id == "Ada@example.net"

    def test_the_key_decides(self) -> None:
        other = msgspec.structs.replace(POLICY, pseudonym_key=b"another")
        assert event(record(user_id="ada@example.net"), other).user_id not in (ADA, "ada@example.net")


class TestAttributes:
    @pytest.mark.parametrize(
        "name",
        ["email", "e_mail", "phone", "mobile", "msisdn", "name", "first_name", "last_name", "address", "ip", "push_id",
         "token", "EMail", "TOKEN"],
    )  # fmt: skip
    def test_denied_keys(self, name: str) -> None:
        batch = parsed(custom(attributes={name: "x", "kept": 1, "deep": {name: {"y": 1}, "z": 2}}))
        assert batch.events[0].attributes == '{"deep":{"z":2},"kept":1}'
        assert [(item.code, item.count) for item in batch.warnings] == [("pii_dropped", 2)]

    def test_values_that_are_addresses(self) -> None:
        batch = parsed(custom(attributes={"contact": "ada@example.net", "list": ["+15551230001", "x"], "k": "v"}))
        assert batch.events[0].attributes == '{"k":"v","list":["x"]}'
        assert [(item.code, item.field) for item in batch.warnings] == [
            ("pii_dropped", "attributes.contact"),
            ("pii_dropped", "attributes.list"),
        ]

    def test_nothing_left_is_nothing(self) -> None:
        assert event(custom(attributes={"email": "ada@example.net"})).attributes == ""

    def test_allow_keeps_values_and_still_drops_denied_keys(self) -> None:
        kept = event(custom(attributes={"contact": "ada@example.net", "email": "x"}), ALLOW).attributes
        assert kept == '{"contact":"ada@example.net"}'

    def test_the_list_can_be_extended(self) -> None:
        policy = msgspec.structs.replace(POLICY, denied_attributes=POLICY.denied_attributes | {"ssn"})
        assert event(custom(attributes={"SSN": 1, "a": 1}), policy).attributes == '{"a":1}'


SECRETS = ["ada.lovelace@example.net", "+15551230001", "+44 20 7946 0958"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("field", ["user_id", "device_id", "reason", "reason_detail", "link"])
def test_no_address_is_stored(secret: str, field: str) -> None:
    value = {"link": f"https://shop.example/x?to={secret}", "reason": f"refused by {secret} x"}.get(field, secret)
    stored = content(event(record(type="failed", **{field: value}))).decode()
    assert secret not in stored
    assert secret.replace(" ", "").lstrip("+") not in stored


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("make", [custom, conversion])
def test_no_address_is_stored_with_values(secret: str, make: Any) -> None:
    for attributes in ({"a": secret}, {"a": [secret]}, {"a": {"b": secret}}, {"email": secret}, {"a": f" {secret} "}):
        assert secret not in content(event(make(attributes=attributes))).decode()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_address_is_told(secret: str) -> None:
    records: list[Any] = [
        record(**{secret: 1}),
        custom(attributes={secret: secret}),
        record(user_id=secret, type=secret),
        record(event_id=secret + "\x00"),
        record(time=secret),
        record(channel=secret),
        record(campaign_id=secret),
        record(locale=[secret]),
        b'{"a":"' + secret.encode() + b'"',
    ]
    for policy in (POLICY, REJECT, msgspec.structs.replace(POLICY, strict=True)):
        batch = parsed(*records, policy=policy)
        told = msgspec.json.encode([batch.warnings, batch.rejections]).decode()
        assert secret not in told
