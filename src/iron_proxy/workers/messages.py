"""
What a supervisor and its workers tell each other, as MessagePack (`channel.py`).

Both are the same version of this program (`Start.version` sees to that), so that nothing here has to stay as it is.
How a worker stands is told in the shapes of `runtime/fleet.py`.
"""

from typing import Final

import msgspec

# Questions to a worker, each with its argument and answer.
START: Final = "start"                           # Start → None, once it serves
PREPARE: Final = "prepare"                       # Policy → list of what is wrong with it
COMMIT: Final = "commit"                         # own listeners → None
LOOK: Final = "look"                             # None → Look
CONNECTIONS: Final = "connections"               # None → Shown
# News to a worker, without an answer.
ABANDON: Final = "abandon"
DRAIN: Final = "drain"
CUT: Final = "cut"
WATCH: Final = "watch"                           # bool
# A question to the supervisor, and news to it.
LEAF: Final = "leaf"                             # LeafWanted → SignedLeaf
RECORD: Final = "record"                         # bytes, one masked line
MISSED: Final = "missed"                         # int


class Policy(msgspec.Struct):
    """A configuration to serve by. `text` None is the environment and the defaults alone."""

    text: bytes | None
    generation: int
    has_ca: bool                                 # leaves are to be had from the supervisor
    keeps_leaves: bool                           # those of before are still good


class Start(msgspec.Struct):
    """The first thing that a worker is told."""

    version: str
    path: str | None                             # of the configuration, as problems name it
    policy: Policy
    own_listeners: list[tuple[str, int]]         # which no request may be dialled to


class LeafWanted(msgspec.Struct):
    """A worker asks for a leaf."""

    host: str
    is_ip: bool
    admitted: bool
