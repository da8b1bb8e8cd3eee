"""Exact answers for every range of days from a few integers per campaign, while its log does not move."""
