"""The dashboard: pages for people, rendered here, with the numbers of the same services as the API."""
