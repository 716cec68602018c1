"""
The hash chain of the audit log: each line names the one before it, so that none can be changed, taken out or moved.

`Chain` adds three members to the end of a line, and `read_link` finds them again; both without looking at the rest. A
chain alone shows what was done by somebody who does not know of it. Who can write the file can also compute a new
chain: against that stands `signing.py`. Used by `trail.py` and `verification.py`; no I/O.
"""

import re
from hashlib import sha256
from typing import Final, NamedTuple

# What the first line of a chain has in place of a line before it.
GENESIS: Final = b"0" * 64

# The hash is over all that stands before it in its line. JSON's control characters are escaped, so a line is a line.
_LINK = re.compile(rb'(\{.+,"seq":([1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})"\}', re.DOTALL)


class Link(NamedTuple):
    """What a line says of its place. `is_whole`: its own hash is that of its content."""

    number: int
    previous: bytes
    digest: bytes
    is_whole: bool


class Chain:
    """Where the next line goes: behind line `number`, whose hash is `head`."""

    __slots__ = ("head", "number")

    def __init__(self, number: int = 0, head: bytes = GENESIS) -> None:
        self.number = number
        self.head = head

    def link(self, lines: bytes) -> bytes:
        """Whole lines, each a JSON object, with `seq`, `prev` and `hash` at its end."""
        linked = []
        for line in lines.split(b"\n")[:-1]:
            self.number += 1
            body = b'%b,"seq":%d,"prev":"%b"' % (line[:-1], self.number, self.head)
            self.head = sha256(body).hexdigest().encode()
            linked.append(b'%b,"hash":"%b"}\n' % (body, self.head))
        return b"".join(linked)


def read_link(line: bytes) -> Link | None:
    """The place of a line, without its line end, or None for one that is in no chain."""
    found = _LINK.fullmatch(line)
    if found is None:
        return None
    body, number, previous, digest = found.groups()
    return Link(int(number), previous, digest, sha256(body).hexdigest().encode() == digest)


def chain_behind(line: bytes) -> Chain | None:
    """The chain that goes on behind a line, or None if that is in no chain or was changed."""
    link = read_link(line)
    return Chain(link.number, link.digest) if link is not None and link.is_whole else None
