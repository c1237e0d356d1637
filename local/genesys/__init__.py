"""A Genesys Cloud organisation that lives on loopback: enough of the platform to export from and to hold at."""
