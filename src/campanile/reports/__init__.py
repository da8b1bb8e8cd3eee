"""Campaign reports: defined once, generated on their schedule, kept for seven days."""
