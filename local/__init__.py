"""The embedded world: emulated AWS, Genesys simulator and demo, on one machine. Never packaged."""
