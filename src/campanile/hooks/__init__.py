"""Receivers: what providers and others post about messages becomes events (ingest specification 2, 3)."""
