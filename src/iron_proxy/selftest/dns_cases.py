"""Cases that use DNS as a way out: to servers outside, and through the one that this place has."""

from functools import partial
from typing import Final

from iron_proxy.selftest.case import Case, Group, Severity
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.questions import (
    KNOWN_ADDRESSES,
    KNOWN_NAME,
    addresses_in,
    computed_address,
    computed_name,
    framed,
    name_servers,
    question,
)
from iron_proxy.selftest.routes import ask_raw
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import ask_datagram, converse, open_tcp, start_tls

# What tunnels use (iodine, dnscat2 and their like), and A, which every resolver forwards.
_TUNNEL_TYPES: Final = ("A", "TXT", "NULL", "CNAME", "MX")
# No such zone exists (RFC 6761); the canary answers for any.
_CANARY_ZONE: Final = "selftest.invalid"


def outside_server(place: Place, trial: Trial) -> None:
    """Questions by UDP and TCP to servers outside."""
    for host in _servers(place):
        for over_tcp in (False, True):
            answer = trial.attempt(
                f"{'TCP' if over_tcp else 'UDP'} {host} port {place.outside.dns_port}",
                partial(_ask_server, place, host, over_tcp),
            )
            _look_for_known_address(trial, host, answer)


def over_tls(place: Place, trial: Trial) -> None:
    """The same in TLS (RFC 7858)."""
    for host in _servers(place):
        answer = trial.attempt(f"TLS {host} port {place.outside.dns_tls_port}", partial(_ask_in_tls, place, host))
        _look_for_known_address(trial, host, answer)


def over_https(place: Place, trial: Trial) -> None:
    """The same as an HTTPS request (RFC 8484), by the usual way."""
    endpoints = [each for each in place.denied if each.scheme == "https"]
    endpoints += [Endpoint("https", host, 443) for host in place.outside.resolvers]
    for endpoint in endpoints:
        answer = trial.attempt(f"POST {endpoint}/dns-query", partial(_post, place, endpoint))
        _look_for_known_address(trial, endpoint.host, answer.partition(b"\r\n\r\n")[2])


def tunnel_labels(place: Place, trial: Trial) -> None:
    """Names that carry data, put to the resolvers of this place."""
    servers = name_servers(place.root)
    if not servers:
        trial.cannot("resolv.conf names no server")
    zone = place.zone or place.outside.zone
    for server in servers:
        for record_type in _TUNNEL_TYPES:
            label = f"{record_type} of a name below {zone} from {server}"
            answer = trial.attempt(label, partial(_ask_below, place, server, record_type))
            if computed_address(place.run) in addresses_in(answer):
                trial.prove(f"{server} answered with an address that only the zone's own server can know")


def _servers(place: Place) -> list[str]:
    return [*dict.fromkeys((*(each.host for each in place.denied_addresses), *place.outside.resolvers))]


def _look_for_known_address(trial: Trial, host: str, reply: bytes) -> None:
    if addresses_in(reply) & KNOWN_ADDRESSES or addresses_in(reply[2:]) & KNOWN_ADDRESSES:
        trial.prove(f"{host} answered a question")


def _question_for(place: Place, host: str, token: bytes) -> bytes:
    """A canary is told the token; a public server is asked for what is known."""
    is_canary = host in {each.host for each in place.denied}
    return question(f"{token.decode()}.{_CANARY_ZONE}", "TXT") if is_canary else question(KNOWN_NAME, "A")


def _ask_server(place: Place, host: str, over_tcp: bool, token: bytes) -> bytes:
    query = _question_for(place, host, token)
    if not over_tcp:
        return ask_datagram(host, place.outside.dns_port, query, place.timeout)
    with open_tcp(host, place.outside.dns_port, place.timeout) as sock:
        return converse(sock, framed(query), place.timeout)


def _ask_below(place: Place, server: str, record_type: str, token: bytes) -> bytes:
    zone = place.zone
    name = f"{token.decode()}.{zone}" if zone else computed_name(token, place.run, place.outside.zone)
    return ask_datagram(server, place.outside.dns_port, question(name, record_type), place.timeout)


def _ask_in_tls(place: Place, host: str, token: bytes) -> bytes:
    with (
        open_tcp(host, place.outside.dns_tls_port, place.timeout) as sock,
        start_tls(sock, None) as tls,
    ):
        return converse(tls, framed(_question_for(place, host, token)), place.timeout)


def _post(place: Place, endpoint: Endpoint, token: bytes) -> bytes:
    body = _question_for(place, endpoint.host, token)
    host = endpoint.authority.encode()
    head = b"POST /dns-query HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/dns-message\r\n"
    length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    return ask_raw(place, endpoint, lambda prefix, login: head + length + body)


CASES: Final = (
    Case(
        "dns-direct", Group.DNS, Severity.HIGH,
        "questions by UDP and TCP to DNS servers outside", "one answered: names carry data out",
        "let port 53 out to no one; the proxy's DNS server answers every name",
        outside_server,
    ),
    Case(
        "dns-over-tls", Group.DNS, Severity.HIGH,
        "DNS over TLS (port 853) to servers outside", "one answered",
        "deny port 853, as all ports",
        over_tls,
    ),
    Case(
        "dns-over-https", Group.DNS, Severity.HIGH,
        "DNS over HTTPS to servers outside, by the usual way", "one answered",
        "allow no resolver's host",
        over_https,
    ),
    Case(
        "dns-tunnel", Group.DNS, Severity.HIGH,
        "names whose labels carry data, from the resolver of this place", "the zone's own server saw the name",
        "answer names without asking anybody, as the proxy's DNS server does; keep dns.passthrough short",
        tunnel_labels,
    ),
)  # fmt: skip
