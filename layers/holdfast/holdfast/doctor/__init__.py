"""Why was it refused, and what to do about it."""
