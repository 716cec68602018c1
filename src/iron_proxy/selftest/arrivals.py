"""
What arrived on the far side, and the two ways in which this side learns of it.

A canary answers whatever reaches it with a *marked* arrival: a word, then JSON in base64. No error page can repeat one,
however much of the request it quotes, so that one in an answer is proof. Over an allowed way the canary also lists all
arrivals of a run, among them those whose answer was lost. Pure; both sides use it.
"""

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Final

import msgspec

# Every attempt has a token of its own: the run, the case, the attempt. It fits a DNS label (63 octets); names of hosts
# come back in either case.
_TOKEN: Final = re.compile(rb"ipst-([0-9a-f]{16})-[a-z0-9-]{1,34}-[0-9]{1,3}-end", re.IGNORECASE)
_MARKED: Final = re.compile(rb"selftest-canary:([A-Za-z0-9+/=]+);")
# Enough for the head of any request that a case sends.
MAX_RAW: Final = 2048


class Arrival(msgspec.Struct, frozen=True):
    """Bytes with a token that reached the canary."""

    token: str
    transport: str  # tcp, tls or udp
    port: int  # the canary's
    raw: str  # the first bytes, as Latin-1
    server_name: str | None = None  # the SNI, with transport tls

    @property
    def lines(self) -> list[str]:
        """The head of the HTTP request, if it was one."""
        return re.split(r"\r?\n\r?\n", self.raw, maxsplit=1)[0].split("\n")

    @property
    def names(self) -> set[str]:
        """The hosts that it asked for: by server name, Host field and absolute target, without ports."""
        fields = [line.partition(":")[2] for line in self.lines[1:] if line.lower().startswith("host:")]
        absolute = re.match(r"[A-Z]+ https?://([^/ ]*)", self.lines[0])
        found = [*fields, absolute[1] if absolute else "", self.server_name or ""]
        return {_without_port(name) for name in found} - {""}


class Canary(msgspec.Struct, frozen=True):
    """What a canary says of itself."""

    certificate: str  # SHA-256 of the certificate that it shows, in hexadecimal
    listening: tuple[tuple[str, int], ...]  # transport (tcp or udp) and port


def token_of(run: str, case: str, attempt: int) -> bytes:
    """The token of an attempt. `run` is 16 hexadecimal digits."""
    return f"ipst-{run}-{case}-{attempt}-end".encode()


def find_tokens(data: bytes) -> list[str]:
    """The tokens in what arrived, each once, in lower case."""
    return list(dict.fromkeys(found[0].decode().lower() for found in _TOKEN.finditer(data)))


def run_of(token: str) -> str:
    """The run that a token belongs to."""
    return token[5:21]


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate (DER), in hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def mark(arrival: Arrival) -> bytes:
    """An arrival, for an answer."""
    return b"selftest-canary:" + b64encode(msgspec.json.encode(arrival)) + b";"


def marked_in(data: bytes) -> Iterator[Arrival]:
    """The arrivals that an answer tells of. What merely looks like one is none."""
    for found in _MARKED.finditer(data):
        try:
            yield msgspec.json.decode(b64decode(found[1], validate=True), type=Arrival)
        except (binascii.Error, msgspec.DecodeError, msgspec.ValidationError):
            continue


def _without_port(name: str) -> str:
    name = name.strip().lower()
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::[0-9]*)?", name)
    return bracketed[1] if bracketed else re.sub(r":[0-9]*$", "", name).removesuffix(".")
