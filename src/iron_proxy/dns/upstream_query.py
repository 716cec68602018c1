"""
One question to one name server: over UDP, and over TCP when the reply was cut or somebody is guessing replies.

A forged reply has to guess the port, the number and the case of every letter (draft-vixie-dnsext-dns0x20); what does
not fit is waited past. Each question has a socket of its own, connected, so that the kernel drops what comes from
elsewhere and tells us when nobody listens there. Deadlines are the caller's (`forwarding.py`); what a reply says is
read in `upstream_replies.py`.
"""

import asyncio
import secrets
import socket
import struct
from typing import Final, NamedTuple

from iron_proxy.dns import messages
from iron_proxy.errors import UpstreamProtocolError, UpstreamUnreachable

# Hundreds of addresses fit. A name server that has more to say is not heard to the end.
MAX_REPLY_BYTES: Final = 16 * 1024
# Datagrams that do not fit, until we stop to listen: honest networks duplicate one now and then, a forger sends floods.
MAX_MISFITS: Final = 8

_QR = 0x80
_OPCODE = 0x78
_TC = 0x02
_RD = 0x01
_HEADER = struct.Struct("!HBBHHHH")
_OPT: Final = b"\0" + struct.pack("!HHIH", messages.OPT, messages.MAX_UDP_BYTES, 0, 0)


class Server(NamedTuple):
    """A name server's literal address and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Question(NamedTuple):
    """A query as it is sent: `number` is its id, `name` the wire name with its letters in random case."""

    number: int
    name: bytes
    record_type: int

    @classmethod
    def build(cls, host: str, record_type: int) -> "Question":
        """A question that nobody can foresee."""
        name = messages.serialize_name(host)
        return cls(secrets.randbits(16), _in_random_case(name), record_type)

    @property
    def section(self) -> bytes:
        """The question section."""
        return self.name + struct.pack("!HH", self.record_type, messages.IN)

    def serialize(self, *, edns: bool = True) -> bytes:
        """The query, recursion desired."""
        return _HEADER.pack(self.number, _RD, 0, 1, 0, 0, int(edns)) + self.section + (_OPT if edns else b"")

    def is_answered_by(self, reply: bytes, *, in_any_case: bool = False) -> bool:
        """Whether these bytes are a reply to exactly this question, or to it with other capitals."""
        if len(reply) < messages.HEADER_BYTES or not reply[2] & _QR or reply[2] & _OPCODE:
            return False
        if reply[:2] != self.number.to_bytes(2, "big") or reply[4:6] != b"\0\1":
            return False
        section = reply[messages.HEADER_BYTES : messages.HEADER_BYTES + len(self.section)]
        # In lower case types could look alike: 65 and 97. The name alone is compared so.
        name_end = len(self.name)
        same_name = section[:name_end].lower() == self.name.lower() if in_any_case else section[:name_end] == self.name
        return same_name and section[name_end:] == self.section[name_end:]

    def is_refused_by(self, reply: bytes) -> bool:
        """Whether this is FORMERR or NOTIMP with our number: servers without EDNS may leave the question out."""
        if len(reply) < messages.HEADER_BYTES or not reply[2] & _QR:
            return False
        return reply[:2] == self.number.to_bytes(2, "big") and reply[3] & 0x0F in (messages.FORMERR, messages.NOTIMP)


async def ask(server: Server, question: Question) -> bytes:
    """
    The reply to a question, from the server that was asked. A server that cannot do EDNS is asked again without it.

    Raises UpstreamUnreachable (nobody is there, the connection broke) or UpstreamProtocolError (not a reply to this).
    """
    try:
        reply = await _ask_over_udp(server, question, edns=True)
        edns = reply is None or not question.is_refused_by(reply)
        if not edns:
            reply = await _ask_over_udp(server, question, edns=False)
        if reply is None or reply[2] & _TC:
            reply = await _ask_over_tcp(server, question, edns=edns)
    except OSError as error:
        raise UpstreamUnreachable((error.strerror or "cannot be reached").lower()) from error
    return reply


async def _ask_over_udp(server: Server, question: Question, *, edns: bool) -> bytes | None:
    """The reply; None when the question should be put where nobody can forge one."""
    loop = asyncio.get_running_loop()
    with _socket(server, socket.SOCK_DGRAM) as sock:
        sock.connect(server)  # at once: UDP only notes the address
        sock.send(question.serialize(edns=edns))
        for _ in range(MAX_MISFITS):
            reply = await loop.sock_recv(sock, messages.MAX_UDP_BYTES + 1)
            if question.is_answered_by(reply) or (edns and question.is_refused_by(reply)):
                return reply if len(reply) <= messages.MAX_UDP_BYTES else None
            if question.is_answered_by(reply, in_any_case=True):
                return None  # a server that does not keep the case, or a forger who has guessed all but that
    return None


async def _ask_over_tcp(server: Server, question: Question, *, edns: bool) -> bytes:
    loop = asyncio.get_running_loop()
    with _socket(server, socket.SOCK_STREAM) as sock:
        await loop.sock_connect(sock, server)
        query = question.serialize(edns=edns)
        await loop.sock_sendall(sock, len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(await _read_exactly(sock, 2), "big")
        if size > MAX_REPLY_BYTES:
            raise UpstreamProtocolError("a reply too long to be taken")
        reply = await _read_exactly(sock, size)
    if not question.is_answered_by(reply, in_any_case=True):
        raise UpstreamProtocolError("a reply to something else")
    return reply


async def _read_exactly(sock: socket.socket, size: int) -> bytes:
    loop, received = asyncio.get_running_loop(), b""
    while len(received) < size:
        piece = await loop.sock_recv(sock, size - len(received))
        if not piece:
            raise UpstreamUnreachable("connection closed before the reply was complete")
        received += piece
    return received


def _socket(server: Server, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET, kind)
    sock.setblocking(False)
    return sock


def _in_random_case(name: bytes) -> bytes:
    """Each letter's case by a coin; length octets are below 64, where no letters are."""
    coins = secrets.randbits(8 * len(name))
    upper = name.upper()
    return bytes(upper[index] if coins >> index & 1 else octet for index, octet in enumerate(name))
