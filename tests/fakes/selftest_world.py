"""
A canary on loopback and the places from which a selftest may look at it: one that holds nothing, and one that holds.

`allowed.test` and `denied.test` are the same canary, which the proxies alone can find: nothing is looked up, and no
packet leaves the machine.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from tests.fakes.leaky_proxy import FakeEgressProxy, HoldingProxy, LeakyProxy

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.canary_server import CanaryServer
from iron_proxy.selftest.case import Case
from iron_proxy.selftest.catalogue import CASES
from iron_proxy.selftest.findings import Finding
from iron_proxy.selftest.place import Endpoint, Outside, Place
from iron_proxy.selftest.session import run_selftest

RUN = "0123456789abcdef"
ADDRESS = "127.0.0.1"
# Loopback that nobody listens at: refused at once.
CLOSED = "127.0.0.77"


class Canary:
    """A canary with two ports, and what arrived."""

    def __init__(self) -> None:
        certificate = trustme.CA().issue_cert("allowed.test", "denied.test")
        chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
        self.arrivals: list[Arrival] = []
        self.server = CanaryServer(
            [(ADDRESS, 0), (ADDRESS, 0)], chain, certificate.private_key_pem.bytes(), self.arrivals.append
        )

    @property
    def port(self) -> int:
        """The first port, TCP and UDP."""
        return self.server.canary.listening[0][1]

    @property
    def other_port(self) -> int:
        """The second one."""
        return self.server.canary.listening[-1][1]


@contextmanager
def running_canary() -> Iterator[Canary]:
    """The canary, while it listens."""
    canary = Canary()
    with canary.server:
        yield canary


def outside_of(canary: Canary, **changes: Any) -> Outside:
    """Nothing public, and the canary in place of every server."""
    return Outside(
        page=Endpoint("http", "denied.test", canary.port), addresses=(), resolvers=(), zone="zone.test",
        metadata=(ADDRESS,), nobody=CLOSED, dns_port=canary.port, dns_tls_port=canary.other_port,
        quic_port=canary.port, metadata_port=canary.port, page_ports=(canary.port,), **changes,
    )  # fmt: skip


def place_behind(canary: Canary, proxy: FakeEgressProxy | None, root: Path, *, address: str, **changes: Any) -> Place:
    """A place whose denied endpoints are the canary by name and by an address."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/resolv.conf").write_text(f"nameserver {address}\n")
    settings: dict[str, Any] = {
        "run": RUN,
        "denied": (
            Endpoint("http", "denied.test", canary.port),
            Endpoint("https", "denied.test", canary.port),
            Endpoint("http", address, canary.port),
        ),
        "allowed": Endpoint("http", "allowed.test", canary.port),
        "proxy": parse_proxy_url(f"http://127.0.0.1:{proxy.port}") if proxy is not None else None,
        "zone": "zone.test",
        "timeout": 2.0,
        "settling": 0.1,  # leaks are answered here, so that nothing hangs on the list
        "root": root,
        "outside": outside_of(canary),
        "environment": {"HOME": "/home/me"},
        **changes,
    }
    return Place(**settings)


@contextmanager
def leaky_place(root: Path, **changes: Any) -> Iterator[Place]:
    """A place that holds nothing."""
    with running_canary() as canary, LeakyProxy(_leads_to(canary)) as proxy:
        yield place_behind(canary, proxy, root, address=ADDRESS, **changes)


@contextmanager
def http2_place(root: Path) -> Iterator[Place]:
    """The same, whose proxy ends TLS and translates HTTP/2 carelessly."""
    certificate = trustme.CA().issue_cert("allowed.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with running_canary() as canary, LeakyProxy(_leads_to(canary), tls=context) as proxy:
        allowed = Endpoint("https", "allowed.test", canary.port)
        yield place_behind(canary, proxy, root, address=ADDRESS, allowed=allowed)


@contextmanager
def holding_place(root: Path, **changes: Any) -> Iterator[Place]:
    """A place that holds."""
    with running_canary() as canary, HoldingProxy(_leads_to(canary)) as proxy:
        outside = outside_of(canary)
        closed = Outside(
            **{name: getattr(outside, name) for name in outside.__slots__} | {"metadata": (CLOSED,)}
        )  # fmt: skip
        yield place_behind(canary, proxy, root, address=CLOSED, outside=closed, **changes)


def case_named(name: str) -> Case:
    """A case of the catalogue."""
    return next(case for case in CASES if case.name == name)


def try_case(place: Place, name: str) -> Finding:
    """The whole of a selftest with one case."""
    return run_selftest(place, [case_named(name)], lambda: None).findings[0]


def _leads_to(canary: Canary) -> dict[str, tuple[str, int | None]]:
    return dict.fromkeys(("allowed.test", "denied.test"), (ADDRESS, None))
