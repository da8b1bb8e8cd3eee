"""Reports: definitions, their runs and files, and how to fetch these by the API."""
