"""Finding our own request again in what the platform echoes of it."""


def is_part_of(wanted: object, echoed: object) -> bool:
    """Compare a request with its echo, which may carry fields that the platform filled in."""
    if isinstance(wanted, dict):
        return isinstance(echoed, dict) and all(
            is_part_of(value, echoed.get(name)) for name, value in wanted.items() if value not in ([], None)
        )
    if isinstance(wanted, list):
        return (
            isinstance(echoed, list) and len(echoed) == len(wanted) and all(map(is_part_of, wanted, echoed))
        )
    return wanted == echoed
