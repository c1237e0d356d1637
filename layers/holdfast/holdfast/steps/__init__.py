"""One module per function, by the same name: the use case, written against `ports` alone."""
