"""Runs of reports: planned, asked for, carried out, listed; their files are published and purged."""
