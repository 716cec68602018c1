"""Cases in HTTP/2, which has more places for a host than HTTP/1 and other ways to hide a field."""

import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.case import Case, Group, Need, Severity, names_denied
from iron_proxy.selftest.http2_frames import Fields, body_in, is_over, opening, settings_acknowledged
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import tunnel
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import MAX_ANSWER, start_tls

_SEEN_AS_TWO_FIELDS: Final = "\nx-injected:"

# From the allowed endpoint, a denied one and a token to the fields of a request.
MakeFields = Callable[[Endpoint, Endpoint, bytes], Fields]


def _request(authority: bytes, token: bytes, more: Fields = ()) -> Fields:
    pseudo = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", authority), (b":path", b"/" + token))
    return (*pseudo, *more)


def _denied_authority(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    return _request(back.authority.encode(), token)


def _denied_host(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    return _request(front.authority.encode(), token, ((b"host", back.authority.encode()),))


def _two_authorities(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    return _request(front.authority.encode(), token, ((b":authority", back.authority.encode()),))


def _line_break(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    return _request(front.authority.encode(), token, ((b"x-first", b"1\r\nX-Injected: yes"),))


def _line_break_in_path(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    path = token + b" HTTP/1.1\r\nX-Injected: yes\r\nX-Rest:"
    return _request(front.authority.encode(), path)


def _transfer_encoding(front: Endpoint, back: Endpoint, token: bytes) -> Fields:
    return _request(front.authority.encode(), token, ((b"transfer-encoding", b"chunked"),))


def _tried_with(*makes: MakeFields) -> Callable[[Place, Trial], None]:
    def attempt(place: Place, trial: Trial) -> None:
        if place.allowed is None or place.allowed.scheme != "https":
            trial.cannot("HTTP/2 needs an allowed canary by https: -allowed https://HOST")
            return
        front = place.allowed
        back = (place.denied_names or place.denied or (Endpoint("https", "denied.invalid", 443),))[0]
        for make in makes:
            label = make.__name__.strip("_").replace("_", " ")
            trial.attempt(label, partial(_exchange, trial, make, front, back))

    return attempt


def _exchange(trial: Trial, make: MakeFields, front: Endpoint, back: Endpoint, token: bytes) -> bytes:
    place = trial.place
    with tunnel(place, front.host, front.port) as sock, start_tls(sock, front.host, ("h2",)) as tls:
        if tls.selected_alpn_protocol() != "h2":
            trial.cannot("HTTP/2 is not spoken here")
            return b""
        tls.sendall(opening(make(front, back, token)) + settings_acknowledged())
        return body_in(_read(tls, place.timeout))


def _read(sock: socket.socket, timeout: float) -> bytes:
    received = b""
    deadline = monotonic() + timeout
    while not is_over(received) and len(received) < MAX_ANSWER and (left := deadline - monotonic()) > 0:
        sock.settimeout(left)
        try:
            piece = sock.recv(16384)
        except OSError:
            break
        if not piece:
            break
        received += piece
    return received


def shows_injection(arrival: Arrival, place: Place) -> bool:
    """Whether one field arrived as two."""
    return _SEEN_AS_TWO_FIELDS in arrival.raw.lower()


def has_transfer_encoding(arrival: Arrival, place: Place) -> bool:
    """Whether a field that HTTP/2 does not have arrived in HTTP/1."""
    return "\ntransfer-encoding:" in arrival.raw.lower()


_BOTH: Final = frozenset({Need.ALLOWED, Need.DENIED})

CASES: Final = (
    Case(
        "http2-authority", Group.MISMATCH, Severity.CRITICAL,
        "HTTP/2 on a connection for an allowed host, with :authority, Host or a second :authority for a denied one",
        "a request that names the denied host arrived",
        "hold every request of a connection against its server name, and Host against :authority",
        _tried_with(_denied_authority, _denied_host, _two_authorities), _BOTH, names_denied,
    ),
    Case(
        "http2-injection", Group.FRAMING, Severity.HIGH,
        "HTTP/2 with line breaks in a field's value and in the path",
        "one field arrived as two",
        "refuse CR, LF and NUL in every field (RFC 9113 section 8.2.1)",
        _tried_with(_line_break, _line_break_in_path), frozenset({Need.ALLOWED}), shows_injection,
    ),
    Case(
        "http2-transfer-encoding", Group.FRAMING, Severity.HIGH,
        "HTTP/2 with a Transfer-Encoding field",
        "it arrived as a field of HTTP/1",
        "refuse fields of connections in HTTP/2 (RFC 9113 section 8.2.2)",
        _tried_with(_transfer_encoding), frozenset({Need.ALLOWED}), has_transfer_encoding,
    ),
)  # fmt: skip
