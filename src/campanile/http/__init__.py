"""What every route shares: body reading, authentication, rate limits, request ids, logs and error rendering."""
