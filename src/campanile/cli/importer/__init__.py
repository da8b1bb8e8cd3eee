"""Loading files through a server: reading rows, mapping them to events, sending, remembering what was acknowledged."""
