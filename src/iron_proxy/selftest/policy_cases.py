"""Cases that ask the proxy, in many spellings, for a host that it must not reach."""

from functools import partial
from ipaddress import IPv4Address
from typing import Final

from iron_proxy.selftest.case import Case, Group, Need, Severity
from iron_proxy.selftest.direct_cases import is_public_answer
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import ask, connect_tunnel, plain, request, tunnel
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import converse, start_tls

# Letters that Unicode's compatibility forms fold into ASCII: a resolver may fold them after policy has looked.
_FULL_WIDTH: Final = {ord(letter): ord(letter) + 0xFEE0 for letter in "abcdefghijklmnopqrstuvwxyz"}
_UPGRADE: Final = (
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
# SMTP, SSH, and another one for TLS: what a tunnel is good for besides HTTPS.
_OTHER_PORTS: Final = (22, 25, 8443)


def plain_requests(place: Place, trial: Trial) -> None:
    """GET, in plain or in TLS as the URLs say, of what is denied."""
    for endpoint in place.denied or (place.outside.page,):
        answer = trial.attempt(f"GET {endpoint}/", partial(_ask, place, endpoint, b""))
        if is_public_answer(answer):
            trial.prove(f"{endpoint} answered")


def upgrades(place: Place, trial: Trial) -> None:
    """The same as the opening of a WebSocket."""
    for endpoint in place.denied or (place.outside.page,):
        answer = trial.attempt(f"WebSocket to {endpoint}", partial(_ask, place, endpoint, _UPGRADE))
        if is_public_answer(answer):
            trial.prove(f"{endpoint} answered")


def other_ports(place: Place, trial: Trial) -> None:
    """Tunnels to ports that are not HTTPS's."""
    for endpoint in place.denied:
        for port in sorted({*_OTHER_PORTS, *place.hears("tcp")} - {endpoint.port}):
            trial.attempt(f"CONNECT {endpoint.host}:{port}", partial(_send_text, place, endpoint.host, port))


def spelled_names(place: Place, trial: Trial) -> None:
    """A denied name in spellings that a filter and a resolver may read differently."""
    for endpoint in place.denied_names:
        friend = place.allowed.host.encode() if place.allowed is not None else b"localhost"
        for spelling in spellings_of_name(endpoint.host, friend):
            _ask_for(place, trial, endpoint, spelling)


def spelled_addresses(place: Place, trial: Trial) -> None:
    """A denied address in the spellings of `inet_aton`, and inside IPv6 addresses."""
    for endpoint in place.denied_addresses:
        if ":" not in endpoint.host:
            for spelling in spellings_of_address(endpoint.host):
                _ask_for(place, trial, endpoint, spelling)


def spellings_of_name(name: str, friend: bytes) -> list[bytes]:
    """Other ways to write a host name; `friend` is one that policy likes."""
    raw = name.encode()
    return [
        raw + b".",
        name.upper().encode(),
        name.translate(_FULL_WIDTH).encode(),
        name.replace(".", "\u3002").encode(),
        raw.replace(b".", b"%2e"),
        b"%" + raw[:1].hex().encode() + raw[1:],
        friend + b"@" + raw,
        raw + b"\0." + friend,
        raw + b"#." + friend,
        raw + b"?." + friend,
        raw + b"/." + friend,
        raw + b"\\." + friend,
        raw + b"%00." + friend,
        raw + b" ." + friend,
        friend + b"," + raw,
    ]


def spellings_of_address(address: str) -> list[bytes]:
    """Other ways to write an IPv4 address, as `inet_aton` and URL parsers read them, and IPv6 ones that hold it."""
    number = int(IPv4Address(address))
    parts = [int(part) for part in address.split(".")]
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        str(number).encode(),
        f"0x{number:x}".encode(),
        ".".join(f"0x{part:x}" for part in parts).encode(),
        ".".join(f"0{part:o}" for part in parts).encode(),
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}".encode(),
        f"{parts[0]}.{number & 0xFFFFFF}".encode(),
        f"{address}.".encode(),
        f"[::ffff:{address}]".encode(),
        f"[::ffff:{high}:{low}]".encode(),
        f"[::{address}]".encode(),
        f"[64:ff9b::{high}:{low}]".encode(),
        f"[64:ff9b:1::{high}:{low}]".encode(),
        f"[2002:{high}:{low}::]".encode(),
    ]


def _ask(place: Place, endpoint: Endpoint, fields: bytes, token: bytes) -> bytes:
    return ask(place, endpoint, b"/" + token, fields)


def _ask_for(place: Place, trial: Trial, endpoint: Endpoint, spelling: bytes) -> None:
    shown = spelling.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    trial.attempt(f"GET http://{shown}/", partial(_ask_spelled, place, endpoint, spelling))
    if place.proxy is not None and not place.proxy.is_socks:
        trial.attempt(f"CONNECT {shown}", partial(_tunnel_spelled, place, endpoint, spelling))


def _ask_spelled(place: Place, endpoint: Endpoint, spelling: bytes, token: bytes) -> bytes:
    authority = spelling + f":{endpoint.port}".encode()
    with plain(place, endpoint.host, endpoint.port) as (sock, prefix):
        target = b"http://" + authority + b"/" + token if prefix else b"/" + token
        return converse(sock, request(target, authority), place.timeout)


def _tunnel_spelled(place: Place, endpoint: Endpoint, spelling: bytes, token: bytes) -> bytes:
    authority = spelling + f":{endpoint.port}".encode()
    raw = request(b"/" + token, authority)
    with connect_tunnel(place, authority, authority) as sock:
        if endpoint.scheme == "http":
            return converse(sock, raw, place.timeout)
        with start_tls(sock, None if endpoint.is_address else endpoint.host) as tls:
            return converse(tls, raw, place.timeout)


def _send_text(place: Place, host: str, port: int, token: bytes) -> bytes:
    with tunnel(place, host, port) as sock:
        return converse(sock, b"selftest " + token + b"\r\n", place.timeout)


CASES: Final = (
    Case(
        "denied-host", Group.POLICY, Severity.CRITICAL,
        "a request for a denied host, by the usual way", "it was answered: there is no policy, or it is not applied",
        "deny by default and allow by name",
        plain_requests,
    ),
    Case(
        "denied-upgrade", Group.POLICY, Severity.HIGH,
        "the opening of a WebSocket to a denied host", "it arrived: upgrades take a way around policy",
        "put upgrades to the same rules as requests",
        upgrades,
    ),
    Case(
        "denied-ports", Group.POLICY, Severity.HIGH,
        "tunnels to a denied host at ports of SMTP and SSH, and at those of the canary", "what was sent arrived",
        "check host and port of every tunnel; allow 443 and what a rule names",
        other_ports, frozenset({Need.DENIED, Need.PROXY}),
    ),
    Case(
        "spelled-name", Group.POLICY, Severity.CRITICAL,
        "a denied name with a trailing dot, capitals, wide letters, percent signs, @, #, NUL and more",
        "a spelling got past the rule and was resolved",
        "bring a host into one form before rule, lookup, Host field and log see it; refuse what has none",
        spelled_names, frozenset({Need.DENIED_NAME}),
    ),
    Case(
        "spelled-address", Group.POLICY, Severity.CRITICAL,
        "a denied address in decimal, hexadecimal, octal, shortened, and inside IPv6 (mapped, NAT64, 6to4)",
        "a spelling got past the rule and was connected to",
        "take only the canonical form for an address, and judge the one inside an IPv6 address too",
        spelled_addresses, frozenset({Need.DENIED_IPV4}),
    ),
)  # fmt: skip
