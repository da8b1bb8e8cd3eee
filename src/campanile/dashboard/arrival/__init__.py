"""How people get an account: the first one, and by invitation."""
