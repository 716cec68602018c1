"""Go duration strings (`1h30m`, `500ms`, `1.5s`): the YAML and the environment speak them."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# A unit runs to the next digit or dot, so that `1s 2s` is told as the unknown unit "s ".
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([^0-9.]*)", re.ASCII)
# Go counts nanoseconds in an int64: some 292 years.
_MAX_SECONDS = 2**63 / 1e9


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError in Go's words (`time: missing unit in duration "30"`)."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0.0
    seconds, position = 0.0, 0
    while position < len(body):
        part = _PART.match(body, position)
        if part is None:
            raise ValueError(f'time: invalid duration "{text}"')
        seconds += float(part[1]) * _unit_seconds(part[2], text)
        position = part.end()
    if position == 0 or seconds > _MAX_SECONDS:
        raise ValueError(f'time: invalid duration "{text}"')
    return -seconds if text[0] == "-" else seconds


def _unit_seconds(unit: str, text: str) -> float:
    if not unit:
        raise ValueError(f'time: missing unit in duration "{text}"')
    if unit not in _UNITS:
        raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
    return _UNITS[unit]
