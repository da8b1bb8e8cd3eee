"""JSON as nobody should write it, for properties of everything that reads JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**20, -(2**64), 10**99, 10**101, -(10**150)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(['":', '"a":1', '\\"', "\\u0000", '{"a":1}', "a :", "\ud83d\ude00".encode("utf-16", "surrogatepass")
                     .decode("utf-16"), "\x00", "[[[[[[", "NaN"]),
)  # fmt: skip
keys = st.one_of(st.sampled_from(["a", "b", "type", "time", "", '"', '":', "a :", "é"]), st.text(max_size=4))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def written(value: Any, draw: Any) -> str:
    """JSON text of `value`, written as strangely as JSON allows; objects are lists of pairs, so keys may repeat."""
    space = st.sampled_from(["", "", "", " ", "\n", "\t", "\r", "  "])
    if isinstance(value, dict):
        pairs = list(value.items())
        if pairs and draw(st.integers(0, 4)) == 0:
            pairs.append((draw(st.sampled_from(pairs))[0], draw(scalars)))
        members = [f"{draw(space)}{written(k, draw)}{draw(space)}:{draw(space)}{written(v, draw)}" for k, v in pairs]
        return "{" + ",".join(members) + draw(space) + "}"
    if isinstance(value, list):
        return "[" + ",".join(draw(space) + written(item, draw) for item in value) + draw(space) + "]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        if draw(st.integers(0, 5)) == 0:
            text = text.replace("a", "\\u0061").replace("t", "\\u0074")
        return text
    return json.dumps(value)


@st.composite
def documents(draw: Any) -> bytes:
    value = draw(st.dictionaries(keys, values, max_size=6))
    return (draw(st.sampled_from(["", " ", "\n"])) + written(value, draw)).encode("utf-8", "surrogatepass")


@st.composite
def mutations(draw: Any) -> bytes:
    """Texts that were JSON before something happened to them."""
    raw = bytearray(draw(documents()))
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(raw)))
        what = draw(
            st.sampled_from([b'"', b":", b",", b"{", b"}", b"[", b"]", b"\\", b"NaN", b"1e400", b"-", b"\xff", b"\x00",
                             b"\\ud800", b'"a":1,', b" ", b"0", b"Infinity", b"\xef\xbb\xbf"])
        )  # fmt: skip
        raw[where : where + draw(st.integers(0, 2))] = what
    return bytes(raw)
