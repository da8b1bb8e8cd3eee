"""People: who signs in to the dashboard, and what they may do in which workspace."""
