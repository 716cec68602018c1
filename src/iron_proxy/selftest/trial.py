"""
One case being tried: its attempts, each with a token of its own, and what was seen of them.

An attempt that fails is the wanted outcome and no error: whatever the way raises becomes a note for the reader.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from iron_proxy.selftest.arrivals import token_of
from iron_proxy.selftest.place import Place
from iron_proxy.selftest.wire import status_of

# From the token of an attempt to what came back.
Act = Callable[[bytes], bytes]


class Refused(OSError):
    """The way said no in its own protocol; the message says how."""


@dataclass(slots=True)
class Trial:
    """What a case's function fills."""

    place: Place
    case: str
    received: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)  # what got out, where this side can tell
    obstacle: str = ""  # why it could not be tested

    def attempt(self, label: str, act: Act) -> bytes:
        """Try one thing with its token. Returns what came back; b"" when nothing did."""
        token = token_of(self.place.run, self.case, len(self.notes) + 1)
        try:
            answer = act(token)
        except OSError as error:
            self.notes.append(f"{label}: {_sentence(error)}")
            return b""
        self.received.append(answer)
        self.notes.append(f"{label}: {_described(answer)}")
        return answer

    def prove(self, sentence: str) -> None:
        """Something got out, and this side can tell by itself."""
        self.proofs.append(sentence)

    def cannot(self, obstacle: str) -> None:
        """What the case needs is not there."""
        self.obstacle = obstacle


def _sentence(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, ssl.SSLError):
        reason: str | None = getattr(error, "reason", None)  # one that OpenSSL did not raise has none
        return f"TLS failed: {(reason or 'no reason given').replace('_', ' ').lower()}"
    return (error.strerror or type(error).__name__).lower()


def _described(answer: bytes) -> str:
    if not answer:
        return "nothing came back"
    status = status_of(answer)
    return f"status {status}" if status is not None else f"{len(answer)} bytes came back"
