"""Cases that walk past the proxy: sockets of all kinds straight to an address outside."""

import os
from functools import partial
from typing import Final

from iron_proxy.selftest.case import Case, Group, Need, Severity
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import request
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import ask_datagram, converse, open_tcp, ping, start_tls

# RFC 9000 section 6.1: a server answers an Initial packet of a version that it does not know, if it is long enough
# (1,200 bytes), with a list of its own. 0x?a?a?a?a is reserved to provoke that (section 15).
_QUIC_HEAD: Final = b"\xc0\x1a\x2a\x3a\x4a"
_QUIC_SIZE: Final = 1200


def straight_tcp(place: Place, trial: Trial) -> None:
    """HTTP, and HTTP in TLS, to an IPv4 address."""
    _ask_addresses(trial, [each for each in _addresses(place) if ":" not in each.host])


def straight_ipv6(place: Place, trial: Trial) -> None:
    """The same to an IPv6 address."""
    addresses = [each for each in _addresses(place) if ":" in each.host]
    if not addresses:
        trial.cannot("no denied canary is named by IPv6 address: -against http://[ADDRESS]")
    _ask_addresses(trial, addresses)


def other_ports(place: Place, trial: Trial) -> None:
    """A line of text to every TCP port that the canary hears on."""
    usual = {each.port for each in place.denied} | {80, 443}
    ports = [port for port in place.hears("tcp") if port not in usual]
    if not ports:
        trial.cannot("the canary listens on no other TCP port: give it one more -serve")
    for address in _hosts(place):
        for port in ports:
            trial.attempt(f"TCP {address.host} port {port}", partial(_send_text, place, address.host, port))


def quic(place: Place, trial: Trial) -> None:
    """A QUIC Initial packet."""
    for endpoint in _hosts(place):
        label = f"UDP {endpoint.host} port {place.outside.quic_port}"
        answer = trial.attempt(label, partial(_ask_quic, place, endpoint.host))
        if answer[1:5] == b"\0\0\0\0" and answer[:1] >= b"\x80":
            trial.prove(f"{endpoint.host} answered in QUIC")


def other_datagrams(place: Place, trial: Trial) -> None:
    """A datagram to every UDP port that the canary hears on."""
    ports = [port for port in place.hears("udp") if port != place.outside.quic_port]
    if not ports:
        trial.cannot("the canary listens on no other UDP port: give it one more -serve")
    for address in _hosts(place):
        for port in ports:
            trial.attempt(f"UDP {address.host} port {port}", partial(_send_datagram, place, address.host, port))


def echo_requests(place: Place, trial: Trial) -> None:
    """Pings with a token in them."""
    if trial.attempt(f"ping {place.outside.nobody}", partial(_ping, place, place.outside.nobody)):
        trial.notes.append("this machine answers pings to every address by itself: nothing left it")
        return
    for endpoint in _hosts(place):
        if ":" not in endpoint.host and trial.attempt(f"ping {endpoint.host}", partial(_ping, place, endpoint.host)):
            trial.prove(f"{endpoint.host} answered a ping")


def _addresses(place: Place) -> list[Endpoint]:
    return list(place.denied_addresses) or [
        Endpoint(scheme, host, port)
        for host in place.outside.addresses
        for scheme, port in (("http", 80), ("https", 443))
    ]


def _hosts(place: Place) -> list[Endpoint]:
    """One endpoint for each address."""
    return list({endpoint.host: endpoint for endpoint in _addresses(place)}.values())


def _ask_addresses(trial: Trial, endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        answer = trial.attempt(
            f"TCP {endpoint.host} port {endpoint.port}",
            partial(_ask_directly, trial.place, endpoint),
        )
        if is_public_answer(answer):
            trial.prove(f"{endpoint} answered as only it can")


def ask_directly(endpoint: Endpoint, path: bytes, timeout: float) -> bytes:
    """An HTTP request to an endpoint, whatever proxy there may be."""
    raw = request(path, endpoint.authority.encode())
    with open_tcp(endpoint.host, endpoint.port, timeout) as sock:
        if endpoint.scheme == "http":
            return converse(sock, raw, timeout)
        with start_tls(sock, None if endpoint.is_address else endpoint.host) as tls:
            return converse(tls, raw, timeout)


def is_public_answer(answer: bytes) -> bool:
    """Whether it comes from example.com or from the network of 1.1.1.1, as `place.Outside` names them."""
    return b"<title>Example Domain</title>" in answer or b"\r\ncf-ray:" in answer.lower()


def _ask_directly(place: Place, endpoint: Endpoint, token: bytes) -> bytes:
    return ask_directly(endpoint, b"/" + token, place.timeout)


def _send_text(place: Place, host: str, port: int, token: bytes) -> bytes:
    with open_tcp(host, port, place.timeout) as sock:
        return converse(sock, b"selftest " + token + b"\r\n", place.timeout)


def _send_datagram(place: Place, host: str, port: int, token: bytes) -> bytes:
    # The canary never answers with more than it got.
    return ask_datagram(host, port, token.ljust(512, b"."), place.timeout)


def _ping(place: Place, host: str, token: bytes) -> bytes:
    return ping(host, token, place.timeout)


def _ask_quic(place: Place, host: str, token: bytes) -> bytes:
    ours, theirs = os.urandom(8), os.urandom(8)
    packet = _QUIC_HEAD + b"\x08" + theirs + b"\x08" + ours + b"\0" + token
    return ask_datagram(host, place.outside.quic_port, packet.ljust(_QUIC_SIZE, b"\0"), place.timeout)


CASES: Final = (
    Case(
        "direct-tcp", Group.DIRECT, Severity.CRITICAL,
        "HTTP and TLS straight to an IPv4 address", "the address answered: the proxy is a matter of politeness",
        "let nothing out but the proxy: iron-proxy run, iron-proxy nft, or a network without a route",
        straight_tcp,
    ),
    Case(
        "direct-ipv6", Group.DIRECT, Severity.CRITICAL,
        "HTTP and TLS straight to an IPv6 address", "the address answered: IPv4 is guarded and IPv6 is not",
        "write the firewall's rules for both families (nft: table inet), or switch IPv6 off",
        straight_ipv6,
    ),
    Case(
        "direct-ports", Group.DIRECT, Severity.HIGH,
        "text to other TCP ports of an address (SSH's, SMTP's, whatever the canary listens on)", "the text arrived",
        "deny all ports, not a list of them",
        other_ports, frozenset({Need.DENIED, Need.ALLOWED}),
    ),
    Case(
        "direct-quic", Group.DIRECT, Severity.HIGH,
        "QUIC, the UDP of HTTP/3, to port 443 of an address", "the packet arrived: browsers go past the proxy",
        "drop UDP to port 443 for both families; clients fall back to TCP",
        quic,
    ),
    Case(
        "direct-udp", Group.DIRECT, Severity.HIGH,
        "datagrams to other UDP ports of an address", "a datagram arrived",
        "deny all UDP but DNS to your own resolver",
        other_datagrams, frozenset({Need.DENIED, Need.ALLOWED}),
    ),
    Case(
        "direct-icmp", Group.DIRECT, Severity.MEDIUM,
        "pings with a payload to an address", "it answered: payloads of pings carry data",
        "drop ICMP echo requests, or take the right to send them (net.ipv4.ping_group_range, CAP_NET_RAW)",
        echo_requests,
    ),
)  # fmt: skip
