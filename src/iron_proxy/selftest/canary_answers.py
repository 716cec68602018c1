"""
What the canary remembers and what it says: bytes in, bytes out.

`canary_server.py` has the sockets. The canary stands on the internet and takes bytes from everybody: it keeps only what
carries a token, and of that a bounded amount.
"""

import re
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import msgspec
from msgspec.structs import replace

from iron_proxy.selftest.arrivals import MAX_RAW, Arrival, Canary, find_tokens, mark, run_of

# A selftest makes about a hundred arrivals at a place that stops nothing. With MAX_RAW each, these are some 10 MiB.
MAX_ARRIVALS: Final = 5_000
# A run's number is 64 random bits that only its own machine and the way know: no list of runs is given out.
_ASKED: Final = re.compile(rb"GET (?:https?://[^/ ]*)?/selftest/(?:(hello)|arrivals/([0-9a-f]{16})) HTTP/1\.[01]\r?\n")


class CanaryBook:
    """The arrivals of late. Several threads write in it."""

    def __init__(self, canary: Canary, tell: Callable[[Arrival], None]) -> None:
        self.canary = canary
        self._tell = tell
        self._arrivals: deque[Arrival] = deque(maxlen=MAX_ARRIVALS)
        self._lock = Lock()

    def note(self, data: bytes, transport: str, port: int, server_name: str | None = None) -> list[Arrival]:
        """Write down what arrived, once for each token in it."""
        raw = data[:MAX_RAW].decode("latin-1")
        arrivals = [Arrival(token, transport, port, raw, server_name) for token in find_tokens(data)]
        with self._lock:
            self._arrivals.extend(arrivals)
        for arrival in arrivals:
            self._tell(arrival)
        return arrivals

    def note_datagram(self, data: bytes, port: int) -> bytes:
        """The same for a datagram. Returns short marks, without what arrived."""
        return b"".join(mark(replace(arrival, raw="")) for arrival in self.note(data, "udp", port))

    def answer_http(self, data: bytes, transport: str, port: int, server_name: str | None = None) -> bytes:
        """The answer to a request, or to whatever came in its place."""
        asked = _ASKED.match(data)
        marks = b"".join(map(mark, self.note(data, transport, port, server_name)))
        if asked and asked[1]:
            return _page(msgspec.json.encode(self.canary))
        if asked:
            return _page(msgspec.json.encode(self._arrivals_of(asked[2].decode())))
        if re.search(rb"(?im)^upgrade:", data):
            # Not a protocol that is spoken here; the connection stays open for whoever believes it is a tunnel now.
            return b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"
        if re.match(rb"[A-Z]+ [^\r\n]* HTTP/1\.[01]\r?\n", data):
            return _page(marks or b"no token\n")
        return marks

    def answer_dns(self, query: bytes, transport: str, port: int) -> bytes | None:
        """The answer to a DNS question that carries a token: its mark in TXT records. None for anything else."""
        try:
            message = dns.message.from_wire(query)
        except (dns.exception.DNSException, ValueError):
            return None
        name = message.question[0].name.to_text().encode() if message.question else b""
        if message.flags & dns.flags.QR or not find_tokens(name):
            return None
        # A string of a TXT record holds 255 bytes: without what arrived, and for one token, a mark has 200.
        short = mark(replace(self.note(name, transport, port)[0], raw=""))
        response = dns.message.make_response(message)
        response.flags |= dns.flags.AA
        if message.question[0].rdtype == dns.rdatatype.TXT:
            response.answer.append(dns.rrset.from_text(message.question[0].name, 0, "IN", "TXT", f'"{short.decode()}"'))
        return response.to_wire(max_size=65535)

    def _arrivals_of(self, run: str) -> list[Arrival]:
        with self._lock:
            return [arrival for arrival in self._arrivals if run_of(arrival.token) == run]


def _page(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
