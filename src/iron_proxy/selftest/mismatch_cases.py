"""Cases that name an allowed host to one part of the proxy and a denied one to another, as domain fronting does."""

import socket
from functools import partial
from typing import Final

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.case import Case, Group, Need, Severity, names_denied
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import ask_proxy, connect_tunnel, plain, request, tunnel
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import converse, start_tls

_BOTH: Final = frozenset({Need.ALLOWED, Need.DENIED})
_BOTH_AND_PROXY: Final = _BOTH | {Need.HTTP_PROXY}


def fronted_host(place: Place, trial: Trial) -> None:
    """The server name is the allowed host's, the Host field the denied one's."""
    front, back = _ends(place)
    if front.scheme == "http":
        trial.attempt("http", partial(_plain_fronted, place, front, back))
        return
    trial.attempt("https", partial(_in_tls, place, front, front.host, back))


def fronted_server_name(place: Place, trial: Trial) -> None:
    """The tunnel is for the allowed host, server name and Host field are the denied one's."""
    front, back = _ends(place)
    trial.attempt("SNI and Host", partial(_in_tls, place, front, back.host, back))
    trial.attempt("SNI alone", partial(_in_tls, place, front, "", back))


def two_connect_names(place: Place, trial: Trial) -> None:
    """CONNECT with a request target and a Host field that differ."""
    front, back = _ends(place)
    for label, authority, host in (("Host allowed", back, front), ("Host denied", front, back)):
        trial.attempt(f"CONNECT, {label}", partial(_two_names, place, authority, host, back))


def two_request_names(place: Place, trial: Trial) -> None:
    """A request whose absolute target and Host field differ, and one with two Host fields."""
    front, back = _ends(place)
    pairs = (("target allowed, Host denied", front, back), ("target denied, Host allowed", back, front))
    for label, target, host in pairs:
        trial.attempt(label, partial(_absolute, place, target, host, b""))
    second = b"Host: " + back.authority.encode() + b"\r\n"
    trial.attempt("two Host fields", partial(_absolute, place, front, front, second))


def raw_in_tunnel(place: Place, trial: Trial) -> None:
    """Text that is neither TLS nor HTTP in a tunnel to an allowed host."""
    front, _ = _ends(place)

    def send(token: bytes) -> bytes:
        with tunnel(place, front.host, front.port) as sock:
            return converse(sock, b"SSH-2.0-" + token + b"\r\n", place.timeout)

    trial.attempt(f"text in a tunnel to {front.authority}", send)


def after_refused_upgrade(place: Place, trial: Trial) -> None:
    """A request for the denied host behind an upgrade that the allowed one has refused (smuggling by WebSocket)."""
    front, back = _ends(place)
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    def act(token: bytes) -> bytes:
        host = front.authority.encode()
        if front.scheme == "http":
            with plain(place, front.host, front.port) as (sock, prefix):
                opening = b"GET " + prefix + b"/ HTTP/1.1\r\nHost: " + host + b"\r\n" + upgrade
                return _twice(place, sock, opening, request_for(back, token))
        opening = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + upgrade
        with tunnel(place, front.host, front.port) as sock, start_tls(sock, front.host) as tls:
            return _twice(place, tls, opening, request_for(back, token))

    trial.attempt("a second request behind status 426", act)


def request_for(endpoint: Endpoint, token: bytes) -> bytes:
    """A request in origin form."""
    return request(b"/" + token, endpoint.authority.encode())


def _ends(place: Place) -> tuple[Endpoint, Endpoint]:
    """The allowed endpoint, and a denied one: by name if there is any, for names are what is confused here."""
    if place.allowed is None:
        raise ValueError("the case needs an allowed endpoint")
    return place.allowed, (place.denied_names or place.denied)[0]


def _plain_fronted(place: Place, front: Endpoint, back: Endpoint, token: bytes) -> bytes:
    with plain(place, front.host, front.port) as (sock, prefix):
        return converse(sock, request(prefix + b"/" + token, back.authority.encode()), place.timeout)


def _in_tls(place: Place, front: Endpoint, server_name: str, inner: Endpoint, token: bytes) -> bytes:
    """Without a `server_name` the token is in it, below the inner endpoint's."""
    server_name = server_name or f"{token.decode()}.{inner.host}"
    with tunnel(place, front.host, front.port) as sock, start_tls(sock, server_name) as tls:
        return converse(tls, request_for(inner, token), place.timeout)


def _absolute(place: Place, target: Endpoint, host: Endpoint, fields: bytes, token: bytes) -> bytes:
    return ask_proxy(place, request(f"http://{target.authority}/".encode() + token, host.authority.encode(), fields))


def _two_names(place: Place, authority: Endpoint, host: Endpoint, back: Endpoint, token: bytes) -> bytes:
    inner = request_for(back, token)
    with connect_tunnel(place, authority.authority.encode(), host.authority.encode()) as sock:
        if authority.scheme == "http":
            return converse(sock, inner, place.timeout)
        with start_tls(sock, authority.host) as tls:
            return converse(tls, inner, place.timeout)


def _twice(place: Place, sock: socket.socket, first: bytes, second: bytes) -> bytes:
    answer = converse(sock, first, place.timeout)
    return answer + converse(sock, second, place.timeout)


def is_raw_text(arrival: Arrival, place: Place) -> bool:
    """Whether the text arrived as it was sent, and not in a request or an error."""
    return arrival.raw.startswith("SSH-2.0-")


CASES: Final = (
    Case(
        "fronted-host", Group.MISMATCH, Severity.CRITICAL,
        "a connection for an allowed host, a Host field for a denied one (domain fronting)",
        "a request that names the denied host arrived",
        "compare Host with the server name, the tunnel and the target of every request",
        fronted_host, _BOTH, names_denied,
    ),
    Case(
        "fronted-server-name", Group.MISMATCH, Severity.CRITICAL,
        "a tunnel for an allowed host, a TLS server name for a denied one",
        "TLS with the denied name arrived",
        "compare the server name with the tunnel's host before anything is forwarded",
        fronted_server_name, _BOTH, names_denied,
    ),
    Case(
        "connect-two-names", Group.MISMATCH, Severity.HIGH,
        "CONNECT whose request target and Host field name different hosts",
        "what was sent for the denied host arrived",
        "decide and connect by the request target, and refuse a Host field that differs",
        two_connect_names, _BOTH_AND_PROXY, names_denied,
    ),
    Case(
        "request-two-names", Group.MISMATCH, Severity.HIGH,
        "a request whose absolute target and Host field differ, and one with two Host fields",
        "a request that names the denied host arrived",
        "refuse both (RFC 9112 section 3.2)",
        two_request_names, _BOTH_AND_PROXY, names_denied,
    ),
    Case(
        "tunnel-raw", Group.MISMATCH, Severity.HIGH,
        "text that is neither TLS nor HTTP in a tunnel to an allowed host",
        "it arrived: any protocol leaves through the tunnel, unread",
        "look at the first bytes in a tunnel and end what is neither TLS nor HTTP",
        raw_in_tunnel, _BOTH, is_raw_text,
    ),
    Case(
        "upgrade-refused", Group.MISMATCH, Severity.HIGH,
        "a request for a denied host behind a WebSocket that the allowed host refused",
        "it arrived: the proxy took its own 101 for granted",
        "relay only after a verified 101 answer",
        after_refused_upgrade, _BOTH, names_denied,
    ),
)  # fmt: skip
