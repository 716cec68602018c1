"""
TLS through the proxy without being terminated there: an origin on port 443, and clients that trust only its CA.

Passed-through connections always go to that port, which takes a privilege to bind: tests skip where it is missing.
"""

import ssl
import subprocess

import pytest
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import Recorder
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Session, Way, connect, open_connect_tunnel, open_socks_tunnel

HTTPS_PORT = 443
# The ways in that TLS can take.
WAYS = (Way.HTTPS, Way.CONNECT_TLS, Way.SOCKS_TLS)


def https_origin(internet: Internet) -> Recorder:
    """The allowed origin once more, on port 443. Skips the test where that port cannot be bound."""
    for recorder in internet._added:
        if recorder.port == HTTPS_PORT:
            return recorder
    try:
        return internet.add_recorder(ALLOWED, internet.server_context("ok.test", "rules.test", "swap.test"), HTTPS_PORT)
    except PermissionError:
        pytest.skip("binding port 443 needs CAP_NET_BIND_SERVICE")


def trusting_origins(internet: Internet) -> ssl.SSLContext:
    """A client that trusts the origins' CA only: a leaf of the proxy's fails its handshake."""
    return ssl.create_default_context(cafile=str(internet.ca_file))


def open_raw(proxy: RunningProxy, way: Way, host: str, port: int = HTTPS_PORT) -> Session:
    """A connection on which the client may open TLS; a tunnel is one record, what is passed through another."""
    sock = connect(proxy.addresses["tunnel" if way.is_tunnel else "https"])
    session = Session(sock)
    proxy.sessions.append(session)
    if way.is_tunnel:
        proxy.started += 1
        if way.is_socks:
            open_socks_tunnel(sock, host, port)
        else:
            open_connect_tunnel(sock, f"{host}:{port}")
    return session


def open_tls(proxy: RunningProxy, way: Way, host: str, port: int = HTTPS_PORT, *, sni: str | None = None) -> Session:
    """The same with TLS to the origin behind it. Raises ssl.SSLError and OSError as the client sees them."""
    session = open_raw(proxy, way, host, port)
    proxy.started += 1
    session.sock = trusting_origins(proxy.internet).wrap_socket(session.sock, server_hostname=sni or host)
    return session


def run_curl(proxy: RunningProxy, way: Way, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """curl by a way in, trusting the origins' CA only; owes the records of one connection."""
    host, port = proxy.addresses["tunnel" if way.is_tunnel else "https"]
    address = f"{host}:{port}"
    route = {
        Way.HTTPS: ["--connect-to", f"::{address}"],
        Way.CONNECT_TLS: ["-x", f"http://{address}"],
        Way.SOCKS_TLS: ["-x", f"socks5h://{address}"],
    }[way]
    proxy.started += 1 + way.is_tunnel
    return subprocess.run(
        ["curl", "-q", "-sS", "--max-time", "15", "--cacert", str(proxy.internet.ca_file), *route, *arguments],
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip
