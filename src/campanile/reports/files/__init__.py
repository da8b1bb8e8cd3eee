"""Files of reports: how cells are spelled, the formats, the archive, and the store that keeps them."""
