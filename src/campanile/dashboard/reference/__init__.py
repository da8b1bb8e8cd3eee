"""`/docs`: the API description for people."""
