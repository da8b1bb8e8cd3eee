"""The list of campaigns, and the page of one campaign."""
