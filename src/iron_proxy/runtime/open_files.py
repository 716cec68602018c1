"""Room for connections: the soft limit of open files is low on most systems, for programs that use select(2)."""

import resource
from typing import Final

# A request takes two; 30,000 at once are more than one process serves.
ENOUGH: Final = 65_536


def open_files() -> int:
    """How many descriptors this process may have open; of more than ENOUGH no use is made."""
    return _within(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def reachable_open_files() -> int:
    """The same for a process that has raised its limit."""
    return _within(max(resource.getrlimit(resource.RLIMIT_NOFILE), key=_within))


def raise_open_files() -> tuple[int, int]:
    """
    Raise the soft limit as far as the hard one allows, up to ENOUGH.

    Returns the former limit, soft and hard, for programs that are to have it back. Never fails.
    """
    former = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = _within(hard)
    if soft != resource.RLIM_INFINITY and soft < reachable:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return former


def _within(limit: int) -> int:
    return ENOUGH if limit == resource.RLIM_INFINITY else min(ENOUGH, limit)
