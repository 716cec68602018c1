"""Room for connections: the soft limit of open files is low on most systems, for programs that use select(2)."""

import resource
from typing import Final

# A request takes two; 30,000 at once are more than one process serves.
ENOUGH: Final = 65_536


def raise_open_files() -> tuple[int, int]:
    """
    Raise the soft limit as far as the hard one allows, up to ENOUGH.

    Returns the former limit, soft and hard, for programs that are to have it back. Never fails.
    """
    former = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < reachable:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return former
