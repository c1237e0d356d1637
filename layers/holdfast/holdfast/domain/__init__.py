"""Pure rules: no I/O, no clock, no environment; nothing but the standard library."""
