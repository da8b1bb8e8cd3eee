"""Where MoEngage's servers are."""

from __future__ import annotations

DATA_CENTRES = ("01", "02", "03", "04", "05", "06", "101")
"""Numbers of MoEngage's data centres, as their addresses write them."""


def moengage(data_centre: int | str) -> str:
    """The base URL of a data centre: `moengage(1)` and `moengage("01")` are https://api-01.moengage.com.

    Raises:
        ValueError: there is no such data centre.
    """
    number = str(data_centre).strip().zfill(2)
    if number not in DATA_CENTRES:
        raise ValueError(f"there is no data centre {str(data_centre)[:20]!r}; there are {', '.join(DATA_CENTRES)}")
    return f"https://api-{number}.moengage.com"
