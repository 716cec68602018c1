"""
DNS wire format (RFC 1035, EDNS of RFC 6891), as much of it as a server for a few types needs. Bytes in, bytes out.

`parse_query` reads a header and one question by hand: the intercept rule answers a hundred thousand of them a second,
and a general parser costs ten times as much. Whatever cannot be a query gets an `Unanswerable`, never an exception.
What to answer is decided in `answers.py`; sockets and length prefixes are in `server.py`, which calls both.
"""

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

HEADER_BYTES: Final = 12
# RFC 1035 section 2.3.4: a name is at most 255 octets, length octets and the root's zero included.
MAX_NAME_BYTES: Final = 255
MAX_LABEL_BYTES: Final = 63
# RFC 1035 section 2.3.4: what every UDP client takes; a smaller EDNS size counts as this one (RFC 6891 section 6.2.5).
MIN_UDP_BYTES: Final = 512
# The DNS flag day 2020 figure: fits an IPv6 packet of minimum MTU, so an answer is never fragmented. It also bounds
# what a spoofed source address can make us send.
MAX_UDP_BYTES: Final = 1232
MAX_TCP_BYTES: Final = 65535
# The lifetime of every record we make, as upstream has it: long enough to be cached through one burst of requests,
# short enough that a changed configuration is seen within a minute.
TTL: Final = 60

A: Final = 1
CNAME: Final = 5
SOA: Final = 6
TXT: Final = 16
AAAA: Final = 28
OPT: Final = 41
SVCB: Final = 64
HTTPS: Final = 65
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
ANY: Final = 255
IN: Final = 1

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
BADVERS: Final = 16
RCODE_NAMES: Final = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    BADVERS: "BADVERS",
}

_QR = 0x80
_OPCODE = 0x78
_AA = 0x04
_TC = 0x02
_RD = 0x01
_CD = 0x10
_AUTHORITATIVE = (NOERROR, NXDOMAIN)

_ONE_QUESTION = b"\0\1\0\0\0\0\0\0"
_COUNTS = struct.Struct("!HHHH")
_TYPE_AND_CLASS = struct.Struct("!HH")
_RECORD_HEAD = struct.Struct("!HHIH")
# The question's name always stands right behind the header: a compression pointer to it names the owner.
_POINTER_TO_QUESTION = b"\xc0\x0c"
# A query may carry an OPT and a TSIG; IXFR carries one SOA. More than that is not a query of any kind.
_MAX_AUTHORITY = 1
_MAX_ADDITIONAL = 2

_NO_EDNS = -1


class Query(NamedTuple):
    """A well-formed question. `name` is the wire form in lower case; `question` keeps the client's spelling."""

    packet: bytes
    question: bytes
    name: bytes
    record_type: int
    record_class: int
    edns_size: int = _NO_EDNS

    @property
    def udp_limit(self) -> int:
        """The longest datagram this client takes from us, in bytes."""
        size = self.edns_size                     # not min() and max(): every question comes by
        if size <= MIN_UDP_BYTES:
            return MIN_UDP_BYTES
        return size if size < MAX_UDP_BYTES else MAX_UDP_BYTES


class Unanswerable(NamedTuple):
    """A packet that holds no question: why, and what to send back (nothing if it could be an answer itself)."""

    reason: str
    rcode: int = FORMERR
    reply: bytes | None = None


class Record(NamedTuple):
    """One resource record of class IN. `owner` is a wire name; None is the question's own, in its own spelling."""

    record_type: int
    content: bytes
    owner: bytes | None = None
    ttl: int = TTL  # seconds


class Tail(NamedTuple):
    """What follows the question, ready to send: the section counts without and with an OPT, and the records."""

    counts: bytes
    counts_with_edns: bytes
    records: bytes


def build_tail(answers: Iterable[Record] = (), authority: Iterable[Record] = ()) -> Tail:
    """Serialize the records once; they may then be sent any number of times, behind any question."""
    answers, authority = list(answers), list(authority)
    return Tail(
        _COUNTS.pack(1, len(answers), len(authority), 0),
        _COUNTS.pack(1, len(answers), len(authority), 1),
        b"".join(_serialize_record(record) for record in (*answers, *authority)),
    )


def _serialize_record(record: Record) -> bytes:
    owner = _POINTER_TO_QUESTION if record.owner is None else record.owner
    return owner + _RECORD_HEAD.pack(record.record_type, IN, record.ttl, len(record.content)) + record.content


def soa_record(ttl: int = TTL) -> Record:
    """
    What makes an empty answer cacheable for `ttl` seconds (RFC 2308 section 3).

    Each name stands for a zone of its own; primary and mailbox are the root, which says that there is neither. Serial,
    refresh, retry, expire and minimum follow.
    """
    return Record(SOA, b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, ttl), ttl=ttl)


EMPTY: Final = build_tail()
# Our answer's OPT: root owner, our own receive size, no flags, no options (cookies and the like are not served).
_OPT_REPLY: Final = b"\0" + _RECORD_HEAD.pack(OPT, MAX_UDP_BYTES, 0, 0)
_OPT_BADVERS: Final = b"\0" + _RECORD_HEAD.pack(OPT, MAX_UDP_BYTES, (BADVERS >> 4) << 24, 0)


def _opt_with_error(code: int) -> bytes:
    """An OPT that says why (RFC 8914): option 15, whose content is the code alone."""
    return b"\0" + _RECORD_HEAD.pack(OPT, MAX_UDP_BYTES, 0, 6) + struct.pack("!HHH", 15, 2, code)


# RFC 8914 sections 4.16 and 4.19: the operator's policy has no place for this name; this client may not, for now.
OPT_BLOCKED: Final = _opt_with_error(15)
OPT_PROHIBITED: Final = _opt_with_error(18)
_EMPTY_WITH_SOA: Final = build_tail(authority=[soa_record()])
_LONGEST_OPT: Final = len(OPT_BLOCKED) - len(_OPT_REPLY)


def empty_tail(query: Query) -> Tail:
    """
    No records; with an SOA that makes the emptiness cacheable where it does not double the packet.

    The source address of a datagram may be forged, so no answer of ours is more than twice as long as its question.
    """
    return _EMPTY_WITH_SOA if len(_EMPTY_WITH_SOA.records) + _LONGEST_OPT <= len(query.packet) else EMPTY


def serialize_response(query: Query, rcode: int, tail: Tail, limit: int, opt: bytes = _OPT_REPLY) -> bytes:
    """
    Header, the client's question, records. Over `limit` bytes it is the question alone, marked truncated.

    `opt` is our OPT record, for a client that sent one.
    """
    packet = query.packet
    first_flags = _QR | (packet[2] & _RD) | (_AA if rcode in _AUTHORITATIVE else 0)
    flags = bytes((first_flags, (packet[3] & _CD) | rcode))
    if query.edns_size == _NO_EDNS:
        response = b"".join((packet[:2], flags, tail.counts, query.question, tail.records))
    else:
        response = b"".join((packet[:2], flags, tail.counts_with_edns, query.question, tail.records, opt))
    if len(response) <= limit:
        return response
    flags = bytes((first_flags | _TC, flags[1]))
    if query.edns_size == _NO_EDNS:
        return b"".join((packet[:2], flags, EMPTY.counts, query.question))
    return b"".join((packet[:2], flags, EMPTY.counts_with_edns, query.question, opt))


# --- reading --------------------------------------------------------------------------------------------------------


def parse_query(packet: bytes) -> Query | Unanswerable:
    """Read one message: a question with at most an OPT beside it, or the reason why it is none."""
    if len(packet) < HEADER_BYTES:
        return Unanswerable("shorter than a header")
    if packet[2] & _QR:
        # Two servers that answer each other's answers never stop (RFC 5625, and the loop attacks since).
        return Unanswerable("an answer, not a question")
    if packet[2] & _OPCODE:
        return _refusal(packet, NOTIMP, "opcode is not QUERY")
    if packet[4:6] != b"\0\1":
        return _refusal(packet, FORMERR, "not exactly one question")
    end_of_name = _end_of_question_name(packet)
    end = end_of_name + 4
    if end_of_name < 0 or end > len(packet):
        return _refusal(packet, FORMERR, "malformed question")
    record_type, record_class = _TYPE_AND_CLASS.unpack_from(packet, end_of_name)
    name = packet[HEADER_BYTES:end_of_name].lower()  # length octets are below 64: no letters among them
    query = Query(packet, packet[HEADER_BYTES:end], name, record_type, record_class)
    if packet[4:12] == _ONE_QUESTION:
        return query if end == len(packet) else _refusal(packet, FORMERR, "bytes after the message")
    return _parse_other_sections(query, end)


def _end_of_question_name(packet: bytes) -> int:
    """Where the name's last octet has been read, or -1. A pointer has nothing to point back to: malformed."""
    position = HEADER_BYTES
    try:
        while length := packet[position]:
            position += length + 1
            if length > MAX_LABEL_BYTES or position > HEADER_BYTES + MAX_NAME_BYTES - 1:
                return -1
    except IndexError:
        return -1
    return position + 1


class _OtherRecord(NamedTuple):
    is_of_root: bool
    record_type: int
    record_class: int
    ttl: int
    end: int


def _parse_other_sections(query: Query, position: int) -> Query | Unanswerable:
    packet = query.packet
    _, answers, authorities, additionals = _COUNTS.unpack_from(packet, 4)
    if answers or authorities > _MAX_AUTHORITY or additionals > _MAX_ADDITIONAL:
        return _refusal(packet, FORMERR, "more records than a query has")
    opt: _OtherRecord | None = None
    for number in range(authorities + additionals):
        record = _read_record(packet, position)
        if record is None:
            return _refusal(packet, FORMERR, "malformed record")
        if record.record_type == TSIG:
            return _refusal(packet, FORMERR, "signed queries are not supported")
        if record.record_type == OPT:
            if opt is not None or number < authorities or not record.is_of_root:
                return _refusal(packet, FORMERR, "misplaced OPT record")
            opt = record
        position = record.end
    if position != len(packet):
        return _refusal(packet, FORMERR, "bytes after the message")
    if opt is None:
        return query
    if (opt.ttl >> 16) & 0xFF:
        return Unanswerable("EDNS version is not 0", BADVERS, _badvers_reply(query))
    return query._replace(edns_size=opt.record_class)


def _read_record(packet: bytes, start: int) -> _OtherRecord | None:
    """The head of one record, or None. Names are stepped over and pointers never followed: nothing can loop."""
    position = start
    try:
        while (length := packet[position]) and length < 0xC0:
            position += length + 1
            if length > MAX_LABEL_BYTES or position > start + MAX_NAME_BYTES - 1:
                return None
    except IndexError:
        return None
    position += 2 if length else 1
    if position + _RECORD_HEAD.size > len(packet):
        return None
    record_type, record_class, ttl, size = _RECORD_HEAD.unpack_from(packet, position)
    end = position + _RECORD_HEAD.size + size
    return _OtherRecord(packet[start] == 0, record_type, record_class, ttl, end) if end <= len(packet) else None


def _refusal(packet: bytes, rcode: int, reason: str) -> Unanswerable:
    """A bare header: nothing that could not be read is sent back."""
    flags = bytes((_QR | (packet[2] & (_OPCODE | _RD)), (packet[3] & _CD) | rcode))
    return Unanswerable(reason, rcode, packet[:2] + flags + b"\0\0\0\0\0\0\0\0")


def _badvers_reply(query: Query) -> bytes:
    """RFC 6891 section 6.1.3: the code's upper bits stand in our OPT, the lower four in the header are zero."""
    flags = bytes((_QR | (query.packet[2] & _RD), query.packet[3] & _CD))
    return b"".join((query.packet[:2], flags, EMPTY.counts_with_edns, query.question, _OPT_BADVERS))


# --- names and addresses --------------------------------------------------------------------------------------------


def serialize_name(host: str) -> bytes:
    """The wire form of a canonical host name (ASCII, lower case, no final dot), as `parse_host` gives it."""
    labels = host.encode("ascii").split(b".")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def labels_of(name: bytes) -> list[bytes]:
    """The labels of a wire name that `parse_query` or `serialize_name` gave, without the root's."""
    labels, position = [], 0
    while length := name[position]:
        labels.append(name[position + 1 : position + 1 + length])
        position += length + 1
    return labels


# RFC 1035 section 5.1: what is not one of these is written as \DDD, so that a log line shows one name in one way.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*")


def name_text(name: bytes) -> str:
    """A wire name for people: no final dot, the root as ".", odd bytes as \\DDD."""
    return ".".join(map(_label_text, labels_of(name))) or "."


def _label_text(label: bytes) -> str:
    if _PLAIN.issuperset(label):
        return label.decode("ascii")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in label)


def address_record(address: str, owner: bytes | None = None) -> Record:
    """An A or AAAA record, whichever the address is. Raises ValueError for anything but an IP address."""
    ip = ipaddress.ip_address(address)
    return Record(A if ip.version == 4 else AAAA, ip.packed, owner)


def text_record(text: str, owner: bytes | None = None) -> Record:
    """A TXT record: the text in UTF-8, as character strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    octets = text.encode("utf-8", "surrogateescape")
    pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
    return Record(TXT, b"".join(bytes((len(piece),)) + piece for piece in pieces), owner)
