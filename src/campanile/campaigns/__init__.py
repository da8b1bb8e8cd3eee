"""Campaigns: written, imported, or registered by their first event."""
