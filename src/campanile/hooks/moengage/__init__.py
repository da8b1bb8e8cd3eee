"""Receivers for what MoEngage and its SDK users already send (ingest specification 2)."""
