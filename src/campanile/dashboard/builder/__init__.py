"""The report builder: three steps, a live preview, drafts."""
