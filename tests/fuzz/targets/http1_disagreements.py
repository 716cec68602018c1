"""
Where other readers of HTTP/1.1 see another request than we do, or one where we see none; and why that is no danger.

Readers that disagree on where a message ends, or on what is in it, are how requests are smuggled. `DISAGREEMENTS` is
the whole list of those that we know and have judged; one that is in no row fails. That a reader refuses bytes of which
another still waits for more is none: neither has a message.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz.targets.http1_readers import READERS, Message, Reading, Refused, Waits, by_us, disagree


class Disagreement(NamedTuple):
    """
    One row: what we do, what they do, and what has to be seen in the wire; and why it is no danger.

    `says` is our reason for refusing, as far as it begins so.
    """

    ours: type[Reading]
    theirs: type[Reading]
    readers: str
    shows: Callable[[bytes], object]
    reason: str
    says: str = ""

    def explains(self, reader: str, wire: bytes, ours: Reading, theirs: Reading) -> bool:
        """Whether this row is about such a case."""
        return (
            reader in self.readers.split()
            and isinstance(ours, self.ours)
            and isinstance(theirs, self.theirs)
            and (not isinstance(ours, Refused) or ours.reason.startswith(self.says))
            and bool(self.shows(wire))
        )


def check_agreement(wire: bytes) -> None:
    """Ours, h11 and llhttp read the same first request, or the table of disagreements says why not."""
    ours = by_us(wire)
    for name, read in READERS.items():
        theirs = read(wire)
        if disagree(ours, theirs):
            assert explained(name, wire, ours, theirs), (name, ours, theirs)


def explained(reader: str, wire: bytes, ours: Reading, theirs: Reading) -> list[Disagreement]:
    """The rows about such a case."""
    return [row for row in DISAGREEMENTS if row.explains(reader, wire, ours, theirs)]


# --- the table ------------------------------------------------------------------------------------------------------


def _in_head(pattern: bytes) -> Callable[[bytes], object]:
    found = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda wire: found.search(wire.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def _in_line(pattern: bytes) -> Callable[[bytes], object]:
    """In the request line, behind what empty lines stand before it."""
    found = re.compile(pattern, re.DOTALL)
    return lambda wire: found.search(wire.lstrip(b"\r\n").partition(b"\n")[0])


def _in_body(pattern: bytes) -> Callable[[bytes], object]:
    found = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda wire: b"chunked" in wire.lower() and found.search(wire.partition(b"\r\n\r\n")[2])


def _asks_to_switch(wire: bytes) -> bool:
    return bool(_IS_CONNECT(wire) or (_HAS_UPGRADE(wire) and _OPTION_UPGRADE(wire)))


_IS_CONNECT = _in_line(rb"\ACONNECT ")
_HAS_UPGRADE, _OPTION_UPGRADE = _in_head(rb"\nupgrade[ \t]*:"), _in_head(rb"\nconnection[ \t]*:[^\n]*upgrade")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_LLHTTP_TARGET = re.compile(rb"/[!-~]*|\*|http://[a-z.]+(?:/[!-~]*)?")


def _has_both_framings(wire: bytes) -> bool:
    return bool(_LENGTH(wire) and _TRANSFER_ENCODING(wire))


_LENGTH, _TRANSFER_ENCODING = _in_head(rb"\ncontent-length:"), _in_head(rb"\ntransfer-encoding:")


def _hosts(wire: bytes) -> int:
    lines = wire.lstrip(b"\r\n").partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return sum(line.partition(b":")[0].lower() == b"host" for line in lines)


BOTH = "h11 llhttp"
DISAGREEMENTS = [
    # --- we take it, they do not
    Disagreement(
        Message,
        Refused,
        "h11",
        lambda wire: wire.startswith(b"\r\n"),
        "RFC 9112 section 2.2: a server should pass over an empty line before a request; h11 does not",
    ),
    Disagreement(
        Message,
        Refused,
        BOTH,
        _in_line(rb"[\x80-\xff]"),
        "honest clients send bytes above 0x7f in a target; they take visible ASCII only",
    ),
    Disagreement(
        Message,
        Refused,
        "h11",
        lambda wire: _hosts(wire) != 1,
        "that there is one Host is asked by proxy/request_checks.py, whatever the version; h11 asks in the parser",
    ),
    Disagreement(
        Message,
        Refused,
        "h11",
        _in_body(rb"[0-9a-f][ \t]+;"),
        "RFC 9112 section 7.1.1: space before an extension is to be tolerated by its grammar (BWS); h11 does not",
    ),
    Disagreement(
        Message,
        Refused,
        "llhttp",
        _in_body(rb"[0-9a-f][ \t]*;"),
        "RFC 9112 section 7.1.1: an unknown extension is to be ignored; we do not look into it, llhttp does",
    ),
    Disagreement(
        Message,
        Refused,
        "llhttp",
        lambda wire: not _is_known_to_llhttp(wire),
        "llhttp has a list of methods; which ones pass is the policy's business",
    ),
    Disagreement(
        Message,
        Refused,
        "llhttp",
        lambda wire: not _LLHTTP_TARGET.fullmatch(_target(wire)),
        "what a target may be is asked by proxy/request_checks.py, which refuses these; llhttp asks in the parser",
    ),
    Disagreement(
        Message,
        Refused,
        "llhttp",
        _in_head(rb"\r\nupgrade:"),
        "llhttp stops where a protocol is asked for, and leaves it to its user whether there will be one",
    ),
    Disagreement(
        Message,
        Refused,
        BOTH,
        _in_body(rb"\r\n(?:content-length|transfer-encoding):"),
        "framing fields in the trailers mean nothing (RFC 9110 section 6.5.1); we drop them, they read them",
    ),
    Disagreement(
        Message,
        Refused,
        "llhttp",
        _in_head(rb"transfer-encoding:[ \t]*chunked[ \t]+\r"),
        "RFC 9110 section 5.5: space around a value is not part of it; llhttp refuses it behind this one",
    ),
    # --- they take it, we do not
    Disagreement(
        Refused,
        Message,
        BOTH,
        _in_head(rb"HTTP/1\.0\r\n.*transfer-encoding"),
        "RFC 9112 section 6.1: the framing of such a message is faulty, whoever sent it",
        "Transfer-Encoding in an HTTP/1.0 message",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _has_both_framings,
        "RFC 9112 section 6.1 lets a reader go by Transfer-Encoding, or refuse what may be an attempt to smuggle",
        "both Content-Length and Transfer-Encoding",
    ),
    Disagreement(
        Refused,
        Message,
        "llhttp",
        _in_head(rb"transfer-encoding:(?:[^\n]*,|.*\r\ntransfer-encoding:)"),
        "RFC 9112 section 6.1: a list that ends in chunked; what the chunks hold would be coded",
        "Transfer-Encoding other than chunked",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _BARE_LINE_FEED.search,
        "RFC 9112 section 2.2 lets a reader take a bare line feed for a line's end; others then see another head",
    ),
    Disagreement(
        Refused,
        Message,
        "llhttp",
        re.compile(rb"\A[\r\n]").search,
        "one empty line before a request is enough for the clients that RFC 9112 section 2.2 has in mind",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_head(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
        "RFC 9110 section 5.5: control characters in a value are invalid and dangerous; h11 takes some",
        "malformed header field",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_body(rb";[^\n]*[\x00-\x08\x0b-\x1f\x7f]"),
        "an extension is visible characters and blanks; h11 passes over whatever is there, a bare CR included",
        "malformed chunk size",
    ),
    Disagreement(
        Refused,
        Message,
        BOTH,
        _in_line(rb" HTTP/(?!1\.)[0-9]\.[0-9]\r"),
        "another major version has another framing; we answer 505 to it, and read no request",
        "HTTP version not supported",
    ),
    Disagreement(
        Refused,
        Message,
        BOTH,
        _in_line(rb" (?:HTTP/1\.[2-9]|ICE/1\.0|RTSP/[0-9]\.[0-9])\r"),
        "there is no HTTP/1.2 to 1.9, and ICE and RTSP, which llhttp takes, are other protocols",
        "malformed HTTP version",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_head(rb"\r\ncontent-length:.*\r\ncontent-length:"),
        "RFC 9110 section 8.6 lets a reader take equal lengths for one; whoever sent two was not sure itself",
        "more than one Content-Length",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_head(rb"\r\ncontent-length:[ \t]*[0-9]+[ \t]*,"),
        "the same, in one field",
        "malformed Content-Length",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_head(rb"\n[ \t]"),
        "RFC 9112 section 5.2: a folded line has to be refused, or unfolded; two readers then see two fields",
        "malformed header field",
    ),
    Disagreement(
        Refused,
        Message,
        "h11",
        _in_body(rb"(?:\A|\n)0+[^\n]*\r\n.*(?:\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])"),
        "the same two in a trailer field",
        "malformed or oversized trailers",
    ),
    Disagreement(
        Refused,
        Message,
        BOTH,
        _in_body(rb"[0-9a-f][ \t]+\r\n"),
        "RFC 9112 section 7.1: nothing stands between a size and its line's end but an extension",
        "malformed chunk size",
    ),
    Disagreement(
        Refused,
        Message,
        "llhttp",
        _in_line(rb"\A(?!\S+ \S+ \S+\r)"),
        "RFC 9112 section 3: a request line is three parts with one space between them",
        "malformed request line",
    ),
    Disagreement(
        Refused,
        Message,
        "llhttp",
        _in_line(rb"\A\S+ +\S+\r?\Z"),
        "a request line of two parts is HTTP/0.9, which has no head; llhttp reads on",
    ),
    # --- both have a message, and not the same
    *(
        Disagreement(
            ours,
            Message,
            "llhttp",
            _asks_to_switch,
            "for llhttp a CONNECT, and a request for another protocol, ends with its head, whatever length it states; "
            "a CONNECT or a WebSocket that states any is refused; a protocol that the operator named gets "
            "the body that was stated, with its true length (proxy.upgrades)",
        )
        for ours in (Message, Refused, Waits)
    ),
    # --- they have a whole message where we wait for more of it
    Disagreement(
        Waits,
        Message,
        "h11",
        _in_body(rb"(?<!\r)\n"),
        "behind the last chunk a bare line feed ends a line for h11; for us the trailers go on until "
        "their limit or the deadline, and the request fails",
    ),
]


def _target(wire: bytes) -> bytes:
    return (wire.lstrip(b"\r\n").partition(b"\r\n")[0].split(b" ", 2)[1:2] or [b""])[0]


def _is_known_to_llhttp(wire: bytes) -> bool:
    return wire.lstrip(b"\r\n").partition(b" ")[0] in _LLHTTP_METHODS


_LLHTTP_METHODS = frozenset((
    b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"M-SEARCH", b"CONNECT",
))  # fmt: skip
