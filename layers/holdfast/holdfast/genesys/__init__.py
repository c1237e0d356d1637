"""The vendor: regions, token, transport, and the dialects behind the ports."""
