"""The made-up customers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PEOPLE = 20_000
FIRST_NUMBER = 100_000
"""Customer numbers start here, so that no id is a placeholder."""
LOCALES: tuple[str, ...] = ("", "en", "de", "ja")
PLATFORMS: tuple[str, ...] = ("", "ANDROID", "IOS", "WEB", "MWEB")


class People:
    """Attributes of all customers, one array per attribute, indexed by customer."""

    def __init__(self, rng: np.random.Generator, count: int = PEOPLE) -> None:
        self.count = count
        self.locale: Ints = rng.choice(np.arange(1, 4), size=count, p=(0.55, 0.28, 0.17)).astype(np.int64)
        main = rng.random(count)
        self.platform: dict[str, Bools] = {
            "ANDROID": main < 0.46,
            "IOS": (main >= 0.42) & (main < 0.80),
            "WEB": rng.random(count) < 0.32,
            "MWEB": rng.random(count) < 0.44,
        }
        self.two_phones: Bools = self.platform["ANDROID"] & (rng.random(count) < 0.05)
        self.email: Bools = rng.random(count) < 0.94
        self.phone: Bools = rng.random(count) < 0.71
        self.whatsapp: Bools = self.phone & (rng.random(count) < 0.55)
        self.private_mail: Bools = self.email & (rng.random(count) < 0.38)
        """Mail read in an app that loads every picture by itself."""
        self.engagement: Floats = rng.beta(2.0, 4.0, size=count)
        self.global_control: Bools = rng.random(count) < 0.02

    def user_id(self, person: int) -> str:
        return f"u-{FIRST_NUMBER + person}"

    def reachable(self, channel: str, platforms: tuple[str, ...]) -> Bools:
        """Who can be addressed on a channel at all."""
        if channel in ("SMS", "FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE"):
            return self.phone
        if channel == "WHATSAPP":
            return self.whatsapp
        if platforms:
            owns = np.zeros(self.count, dtype=np.bool_)
            for platform in platforms:
                owns |= self.platform[platform]
            return owns
        return np.ones(self.count, dtype=np.bool_)
