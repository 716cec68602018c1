"""Sizes in bytes, with or without a unit: `65536`, `100MiB`, `2GB`."""

import re
from typing import Final

_SIZE: Final = re.compile(r"([0-9]{1,15})([KMGT]i?B)?", re.ASCII)
_UNITS: Final = {
    None: 1,
    "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4,
}  # fmt: skip


def parse_size(text: str) -> int | None:
    """The number of bytes, or None for what is no size."""
    found = _SIZE.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2]]
