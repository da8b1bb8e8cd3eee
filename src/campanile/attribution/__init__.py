"""Conversions: which campaigns earn credit for what people did afterwards (conversions specification)."""
