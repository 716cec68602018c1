from hashlib import sha256
from typing import cast

from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.connection_facts import ConnectionFacts


class PlainStream:
    peer = "192.0.2.1:80"


class SecureStream(TLSStream):
    """TLS with 192.0.2.1, as far as the facts look."""

    asked = 0

    def __init__(self) -> None:
        pass

    @property
    def peer(self) -> str:
        return "192.0.2.1:443"

    @property
    def version(self) -> str:
        return "TLSv1.3"

    def peer_certificate(self) -> bytes:
        self.asked += 1
        return b"certificate"


def test_a_plain_connection_has_an_address_only() -> None:
    facts = ConnectionFacts(cast(SocketStream, PlainStream()))

    assert facts.address() == facts.identity() == {"address": "192.0.2.1:80"}


def test_who_gets_a_secret_is_told_by_its_certificate() -> None:
    facts = ConnectionFacts(SecureStream())

    assert facts.address() == {"address": "192.0.2.1:443"}
    assert facts.identity() == {
        "address": "192.0.2.1:443",
        "tls": "TLSv1.3",
        "certificate_sha256": sha256(b"certificate").hexdigest(),
    }


def test_what_is_said_is_made_once() -> None:
    stream = SecureStream()
    facts = ConnectionFacts(stream)

    assert facts.identity() is facts.identity()
    assert facts.address() is facts.address()
    assert stream.asked == 1
