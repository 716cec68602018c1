"""All cases, in the order of the table."""

from typing import Final

from iron_proxy.selftest import (
    direct_cases,
    dns_cases,
    framing_cases,
    http2_cases,
    inside_cases,
    mismatch_cases,
    policy_cases,
    socks_cases,
    surroundings_cases,
)
from iron_proxy.selftest.case import Case, Group

_MODULES: Final = (
    direct_cases, dns_cases, policy_cases, socks_cases, inside_cases, mismatch_cases, framing_cases, http2_cases,
    surroundings_cases,
)  # fmt: skip
_ORDER: Final = list(Group)

CASES: Final[tuple[Case, ...]] = tuple(
    sorted((case for module in _MODULES for case in module.CASES), key=lambda case: _ORDER.index(case.group))
)
NAMES: Final = tuple(case.name for case in CASES)
