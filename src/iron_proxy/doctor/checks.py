"""
The checks of a configuration's own things: the CA's files and dates, and whether its listeners answer on this machine.

What is sent to a listener is answered before any policy is asked and before anything is looked up: a request without a
host, a handshake without a request, a question for `localhost`. Blocking, with a deadline on every step.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dns.exception
import dns.message

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_files import read_ca_files
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.jail.client_environment import reachable_host
from iron_proxy.jail.trust import certificates_of, read_ca_certificate
from iron_proxy.upstream.trust import client_context

# On this machine an answer takes a millisecond.
ANSWER_LIMIT: Final = 3.0
# Enough to make a new CA and hand it to every workload. One that was made for a day or an hour is not complained about
# until a tenth of that is left.
_SOON: Final = timedelta(days=14)
_MAX_ANSWER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what, whether it is as it should be, and a sentence about it."""

    name: str
    passed: bool
    sentence: str


def check_configuration(config: Config, now: datetime | None = None) -> list[Check]:
    """Every check of a configuration that could be read."""
    return [*_check_ca(config, now or datetime.now(UTC)), *_check_listeners(config)]


def _check_ca(config: Config, now: datetime) -> Iterator[Check]:
    if not (config.tls.ca_cert and config.tls.ca_key):
        yield Check("CA", True, "none is configured: TLS is passed through, and clients need none")
        return
    try:
        authority = CertificateAuthority.from_files(read_ca_files(config.tls.ca_cert, config.tls.ca_key), now)
    except StartupError as error:
        yield Check("CA", False, str(error))
        return
    yield Check("CA", True, f"{config.tls.ca_cert} and its key can sign")
    left = authority.not_after - now
    soon = min(_SOON, (authority.not_after - authority.certificate.not_valid_before_utc) / 10)
    sentence = f"{config.tls.ca_cert} is valid until {authority.not_after:%Y-%m-%d}"
    if left < soon:
        sentence += f", which is {left.days} days from now; make a new one with: iron-proxy generate-ca"
    yield Check("CA dates", left >= soon, sentence)


# --- listeners ------------------------------------------------------------------------------------------------------


class _Unfit(Exception):
    """A listener gave another answer than it should; the message says which."""


def _check_listeners(config: Config) -> Iterator[Check]:
    proxy = config.proxy
    wanted: list[tuple[str, ListenAddress | None, Callable[[str, int], str]]] = [
        ("dns", config.dns.listen if config.dns.enabled else None, _ask_dns),
        ("http", proxy.http_listen, _ask_http),
        ("https", proxy.https_listen, lambda host, port: _shake_hands(host, port, config)),
        ("tunnel", proxy.tunnel_listen, _ask_tunnel),
        ("metrics", config.metrics.listen, _ask_metrics),
    ]
    for name, listen, ask in wanted:
        if listen is not None:
            yield _check_listener(f"{name} listener", listen, ask)


def _check_listener(name: str, listen: ListenAddress, ask: Callable[[str, int], str]) -> Check:
    if listen.port == 0:
        return Check(name, True, f"{listen}: not asked, for its port is chosen at every start")
    try:
        return Check(name, True, f"{listen}: {ask(reachable_host(listen), listen.port)}")
    except _Unfit as error:
        return Check(name, False, f"{listen}: {error}")
    except ConnectionRefusedError:
        return Check(name, False, f"{listen}: nobody listens; start iron-proxy -config FILE")
    except TimeoutError:
        return Check(name, False, f"{listen}: no answer within {ANSWER_LIMIT:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        return Check(name, False, f"{listen}: {type(error).__name__}")


def _ask_dns(host: str, port: int) -> str:
    query = dns.message.make_query("localhost.", "A")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(ANSWER_LIMIT)
        sock.connect((host, port))
        sock.send(query.to_wire())
        try:
            response = dns.message.from_wire(sock.recv(_MAX_ANSWER_BYTES))
        except dns.exception.DNSException as error:
            raise _Unfit("what answers there does not speak DNS") from error
    if not query.is_response(response):
        raise _Unfit("what answers there answered another question")
    return "answers"


def _ask_http(host: str, port: int) -> str:
    # RFC 9112 section 3.2: without a Host field it is a 400, whatever the policy.
    return _ask_for_400(host, port, b"GET / HTTP/1.1\r\n\r\n")


def _ask_tunnel(host: str, port: int) -> str:
    return _ask_for_400(host, port, b"CONNECT / HTTP/1.1\r\nHost: /\r\n\r\n")


def _ask_for_400(host: str, port: int, request: bytes) -> str:
    with socket.create_connection((host, port), ANSWER_LIMIT) as sock:
        sock.sendall(request)
        answer = sock.recv(_MAX_ANSWER_BYTES)
    if not answer.startswith(b"HTTP/1.1 4"):
        raise _Unfit("what answers there does not speak HTTP as iron-proxy does")
    return "answers"


def _shake_hands(host: str, port: int, config: Config) -> str:
    with socket.create_connection((host, port), ANSWER_LIMIT) as sock:
        if config.tls.mode == "sni-only" or not config.tls.ca_cert:
            return "accepts connections"
        context = client_context(system_roots=False)
        for certificate in certificates_of(read_ca_certificate(config.tls.ca_cert)):
            context.load_verify_locations(cadata=certificate)
        try:
            with context.wrap_socket(sock, server_hostname="localhost"):
                return "answers with a certificate of this CA"
        except ssl.SSLCertVerificationError as error:
            raise _Unfit("answers with a certificate of another CA; start the proxy anew after a new CA") from error
        except ssl.SSLError as error:
            raise _Unfit(f"the TLS handshake failed ({error.reason})") from error


def _ask_metrics(host: str, port: int) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_LIMIT)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise _Unfit(f"/healthz answered {status}")
    return "answers"
