"""`holdfast`, the operator's command line; `cli.main` has the table of its commands."""
