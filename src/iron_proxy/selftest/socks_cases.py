"""Cases in SOCKS5, which many HTTP proxies speak on the same port."""

from functools import partial
from typing import Final

from iron_proxy.selftest.case import Case, Group, Need, Severity
from iron_proxy.selftest.direct_cases import is_public_answer
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import greet_socks, request, socks_domain, socks_tunnel
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import converse, start_tls

_BIND, _UDP_ASSOCIATE = 2, 3
_ANYWHERE: Final = b"\x00\x01" + bytes(6)


def denied_names(place: Place, trial: Trial) -> None:
    """Connections to what is denied, by name, as an address written as a name, and with a NUL in the name."""
    if not trial.attempt("SOCKS5 greeting", partial(greet_socks, place)):
        return
    for endpoint in place.denied or (place.outside.page,):
        friend = place.allowed.host.encode() if place.allowed is not None else b"localhost"
        host = endpoint.host.encode()
        for label, name in (("name", host), ("name with NUL", host + b"\0." + friend), ("name with dot", host + b".")):
            wanted = socks_domain(name, endpoint.port)
            answer = trial.attempt(f"SOCKS5, {label}", partial(_ask, place, endpoint, wanted))
            if is_public_answer(answer):
                trial.prove(f"{endpoint} answered")


def other_commands(place: Place, trial: Trial) -> None:
    """BIND and UDP ASSOCIATE."""
    if not trial.attempt("SOCKS5 greeting", partial(greet_socks, place)):
        return
    for label, command in (("BIND", _BIND), ("UDP ASSOCIATE", _UDP_ASSOCIATE)):

        def act(token: bytes, command: int = command) -> bytes:
            socks_tunnel(place, b"\x05" + bytes([command]) + _ANYWHERE).close()
            return b"granted"

        if trial.attempt(label, act):
            trial.prove(f"{label} was granted")


def _ask(place: Place, endpoint: Endpoint, wanted: bytes, token: bytes) -> bytes:
    raw = request(b"/" + token, endpoint.authority.encode())
    with socks_tunnel(place, wanted) as sock:
        if endpoint.scheme == "http":
            return converse(sock, raw, place.timeout)
        with start_tls(sock, None if endpoint.is_address else endpoint.host) as tls:
            return converse(tls, raw, place.timeout)


CASES: Final = (
    Case(
        "socks-denied", Group.POLICY, Severity.CRITICAL,
        "SOCKS5 to a denied host, also with a NUL or a dot behind its name", "what was sent arrived",
        "put SOCKS5 to the same rules as CONNECT, or do not speak it",
        denied_names, frozenset({Need.PROXY}),
    ),
    Case(
        "socks-commands", Group.POLICY, Severity.HIGH,
        "SOCKS5's BIND and UDP ASSOCIATE", "one was granted: it opens ports, or takes datagrams",
        "answer both with code 7",
        other_commands, frozenset({Need.PROXY}),
    ),
)  # fmt: skip
