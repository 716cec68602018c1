"""Cases that use the proxy to reach what lies on its own side: metadata services, its machine, its own pages."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from iron_proxy.selftest.case import Case, Group, Need, Severity
from iron_proxy.selftest.direct_cases import ask_directly
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.policy_cases import spellings_of_address
from iron_proxy.selftest.routes import ask, ask_proxy, plain, request
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import converse, status_of

# Where every cloud's list of credentials begins; Google's wants its field, IMDSv2 answers 401 without a session.
_METADATA_PATHS: Final = (b"/latest/meta-data/", b"/computeMetadata/v1/")
_METADATA_FIELDS: Final = b"Metadata-Flavor: Google\r\nMetadata: true\r\n"
_OWN_MACHINE: Final = (
    b"127.0.0.1", b"localhost", b"localhost.", b"127.1", b"2130706433", b"0x7f000001", b"0177.0.0.1", b"0.0.0.0", b"0",
    b"127.0.0.2", b"[::1]", b"[::]", b"[::ffff:127.0.0.1]", b"[64:ff9b::7f00:1]", b"127.0.0.1.sslip.io",
)  # fmt: skip
# Statuses of a service that was reached: an answer, a way to it, or a wish for a password.
_REACHED: Final = frozenset({*range(200, 400), 401})


def metadata_services(place: Place, trial: Trial) -> None:
    """The addresses of metadata services, straight and by the proxy, in their spellings."""
    for address in place.outside.metadata:
        host = f"[{address}]".encode() if ":" in address else address.encode()
        spellings = [host] if ":" in address or place.proxy is None else [host, *spellings_of_address(address)]
        for path in _METADATA_PATHS:
            straight = trial.attempt(f"{address} straight", partial(_ask_straight, place, address, path))
            _look_for_metadata(trial, address, straight)
            for spelling in spellings if place.proxy is not None else ():
                label = f"{spelling.decode()} by the proxy"
                answer = trial.attempt(label, partial(_ask_host, place, spelling, place.outside.metadata_port, path))
                _look_for_metadata(trial, spelling.decode(), answer)


def own_machine(place: Place, trial: Trial) -> None:
    """A listener of this program on loopback: does the proxy connect to it?"""
    with _listening() as (port, visits):
        for host in _OWN_MACHINE:
            before = len(visits)
            trial.attempt(f"{host.decode()}:{port} by the proxy", partial(_ask_host, place, host, port, b"/"))
            if len(visits) > before:
                trial.prove(f"the proxy connected to {host.decode()}")


@contextmanager
def _listening() -> Iterator[tuple[int, list[int]]]:
    """A port on loopback where whoever comes is noted and hung up on."""
    visits: list[int] = []

    def note() -> None:
        while True:
            try:
                visitor, address = server.accept()
            except OSError:
                return
            visits.append(address[1])
            visitor.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=note, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], visits
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def own_pages(place: Place, trial: Trial) -> None:
    """The usual ports of proxies' own pages, on the proxy's loopback and at its address."""
    if place.proxy is None:
        raise ValueError("the case needs a proxy")
    target = place.proxy.target
    for host in dict.fromkeys((b"127.0.0.1", b"localhost", target.bracketed_host.encode())):
        for port in (*place.outside.page_ports, target.port):
            answer = trial.attempt(f"{host.decode()}:{port} by the proxy", partial(_ask_host, place, host, port, b"/"))
            if status_of(answer) in _REACHED:
                trial.prove(f"{host.decode()}:{port} answered with status {status_of(answer)}")


def traced(place: Place, trial: Trial) -> None:
    """TRACE, which sends a request back with whatever was added to it on the way."""
    if place.allowed is None:
        raise ValueError("the case needs an allowed endpoint")
    answer = trial.attempt(f"TRACE {place.allowed}/", partial(_trace, place, place.allowed))
    if status_of(answer) == 200 and b"X-Selftest: ipst-" in answer:
        trial.prove("the request came back")


def _look_for_metadata(trial: Trial, host: str, answer: bytes) -> None:
    if status_of(answer) in _REACHED:
        trial.prove(f"{host} answered with status {status_of(answer)}")


def _trace(place: Place, allowed: Endpoint, token: bytes) -> bytes:
    return ask(place, allowed, b"/", b"Max-Forwards: 0\r\nX-Selftest: " + token + b"\r\n", b"TRACE")


def _ask_straight(place: Place, address: str, path: bytes, token: bytes) -> bytes:
    return ask_directly(Endpoint("http", address, place.outside.metadata_port), path, place.timeout)


def _ask_host(place: Place, host: bytes, port: int, path: bytes, token: bytes) -> bytes:
    authority = host if port == 80 else host + f":{port}".encode()
    if place.proxy is not None and not place.proxy.is_socks:
        return ask_proxy(place, request(b"http://" + authority + path, authority, _METADATA_FIELDS))
    name = host.strip(b"[]").decode()
    with plain(place, name, port) as (sock, _):
        return converse(sock, request(path, authority, _METADATA_FIELDS), place.timeout)


CASES: Final = (
    Case(
        "metadata", Group.INSIDE, Severity.CRITICAL,
        "metadata services of clouds, straight and by the proxy, in their spellings",
        "one answered: it gives the machine's credentials to whoever asks",
        "deny link-local and metadata addresses at the dial, and by a firewall for the workload itself",
        metadata_services,
    ),
    Case(
        "loopback", Group.INSIDE, Severity.HIGH,
        "the proxy's own loopback, in its spellings", "the proxy connected to it",
        "deny loopback and unspecified addresses at the dial, after the name was resolved",
        own_machine, frozenset({Need.PROXY}),
    ),
    Case(
        "proxy-pages", Group.INSIDE, Severity.HIGH,
        "the proxy's own listeners and the usual ports of management pages, by the proxy", "one answered",
        "deny loopback and the proxy's own addresses at the dial; give management pages a key",
        own_pages, frozenset({Need.PROXY}),
    ),
    Case(
        "trace", Group.INSIDE, Severity.LOW,
        "TRACE to an allowed host", "the request came back, with what was added on the way",
        "refuse TRACE",
        traced, frozenset({Need.ALLOWED}), lambda arrival, place: False,
    ),
)  # fmt: skip
