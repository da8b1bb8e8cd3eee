"""Who may open a workspace, and what was changed in it."""
