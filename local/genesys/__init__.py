"""A Genesys Cloud organisation on loopback: enough of the platform to export from and to hold at."""
