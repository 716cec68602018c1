"""What comes before the first request: a ClientHello, SOCKS5 of either side, a CONNECT's authority and its reply."""

import ssl
from collections.abc import Callable
from functools import partial

from tests.fuzz.targets.splits import splits

from iron_proxy.errors import BadHandshake, BadRequest, UpstreamError
from iron_proxy.messages.authority import Target, parse_target
from iron_proxy.protocols.client_hello import MAX_CLIENT_HELLO_BYTES, ClientHello, ClientHelloParser
from iron_proxy.protocols.connect_reply import MAX_REPLY_BYTES, ConnectReply
from iron_proxy.protocols.socks5 import (
    Authentication,
    CredentialsOffered,
    Event,
    HandshakeFailed,
    SendBytes,
    Socks5ServerHandshake,
    TunnelRequested,
)  # fmt: skip
from iron_proxy.protocols.socks5_client import Socks5ClientHandshake

_TARGET = Target("ok.test", 443)
# The longest request, and the longest credentials: the lengths in the protocol are the bound (RFC 1928, RFC 1929).
_MOST_SOCKS5_BYTES = 513


def check_client_hello(wire: bytes) -> None:
    """BadHandshake only, the same at every split; no byte is lost; OpenSSL sees no other server name than we do."""

    def read(pieces: list[bytes]) -> ClientHello | str | None:
        parser, fed = ClientHelloParser(), b""
        hello: ClientHello | None = None
        for piece in pieces:
            fed += piece
            try:
                hello = parser.receive(piece)
            except BadHandshake:
                return "refused"
            assert parser.consumed == fed
            if hello is not None:
                return hello
            assert len(fed) <= MAX_CLIENT_HELLO_BYTES
        return None

    hello = check_splits(wire, read)
    if isinstance(hello, ClientHello):
        for name in _names_that_openssl_sees(wire):
            assert (name and name.lower().removesuffix(".")) == hello.server_name


def _names_that_openssl_sees(wire: bytes) -> list[str | None]:
    """The server name that its callback is told; none when it stops before."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def note(connection: object, name: str | None, context: object) -> None:
        names.append(name)

    context.sni_callback = note
    received = ssl.MemoryBIO()
    received.write(wire)
    try:
        context.wrap_bio(received, ssl.MemoryBIO(), server_side=True).do_handshake()
    except ssl.SSLError:
        pass
    return names


def check_socks5_server(wire: bytes) -> None:
    """Events only, one end at most, the same at every split and for every kind of authentication; bounded."""
    for authentication in Authentication:
        check_splits(wire, partial(_socks5_told, authentication))


def _socks5_told(authentication: Authentication, pieces: list[bytes]) -> list[Event | bytes]:
    handshake = Socks5ServerHandshake(authentication)
    seen: list[Event | bytes] = []
    for piece in pieces:
        waiting = handshake.receive(piece)
        while waiting:
            event = waiting.pop(0)
            _note_socks5(event, seen)
            if isinstance(event, CredentialsOffered):
                is_right = event.password != b"wrong"
                waiting += handshake.accept_credentials() if is_right else handshake.refuse_credentials()
        if not any(isinstance(event, HandshakeFailed | TunnelRequested) for event in seen):
            assert len(handshake.unread) <= _MOST_SOCKS5_BYTES
    # What follows a request is the tunnel's; what follows a failure is nobody's.
    return [*seen, handshake.unread] if any(isinstance(each, TunnelRequested) for each in seen) else seen


def _note_socks5(event: Event, seen: list[Event | bytes]) -> None:
    assert not any(isinstance(each, HandshakeFailed | TunnelRequested) for each in seen)
    if isinstance(event, SendBytes) and seen and isinstance(seen[-1], SendBytes):
        seen[-1] = SendBytes(seen[-1].data + event.data)
    else:
        seen.append(event)


def check_socks5_client(wire: bytes) -> None:
    """An upstream's errors only, the same at every split, with a password and without; nothing behind it is lost."""

    def read(credentials: tuple[bytes, bytes] | None, pieces: list[bytes]) -> tuple[object, ...]:
        handshake = Socks5ClientHandshake(_TARGET, credentials)
        sent = b""
        try:
            for piece in pieces:
                sent += handshake.receive(piece)
        except UpstreamError as error:
            return type(error), str(error)
        return sent, handshake.is_open, handshake.unread

    for credentials in (None, (b"user", b"password")):
        check_splits(wire, partial(read, credentials))


def check_connect_reply(wire: bytes) -> None:
    """An upstream's error only, the same at every split; every byte behind the head is the tunnel's; bounded."""

    def read(pieces: list[bytes]) -> tuple[object, ...]:
        reply = ConnectReply()
        for position, piece in enumerate(pieces):
            try:
                status = reply.receive(piece)
            except UpstreamError as error:
                return (type(error),)
            if status is not None:
                assert 200 <= status <= 999
                return status, reply.unread + b"".join(pieces[position + 1 :])
            assert len(reply.unread) <= MAX_REPLY_BYTES
        return None, reply.unread

    check_splits(wire, read)


def check_authority(wire: bytes) -> None:
    """BadRequest or a target in the one form that reads as itself again."""
    for default_port in (None, 443):
        try:
            target = parse_target(wire, default_port)
        except BadRequest:
            continue
        assert 0 < target.port < 65536
        assert target.host == target.host.lower()
        assert parse_target(str(target).encode("ascii"), None) == target


def check_splits(wire: bytes, read: Callable[[list[bytes]], object]) -> object:
    """What `read` says to the whole, which it must say to the pieces too."""
    whole = read([wire])
    for pieces in splits(wire):
        assert read(pieces) == whole
    return whole
