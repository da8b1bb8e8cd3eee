"""The campaign APIs where clients of the Stats API look up names, parents and reach (campaign specification 2–6)."""
