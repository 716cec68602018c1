"""
The listeners' two ways in, through the kernel: TPROXY instead of a connection to the listener itself.

A machine of two namespaces: in one everything that tests start, in the other nothing but sockets of clients. Each
listener gets an address that does not exist, and a rule that takes to it what clients send there, whatever the port.
So the same cases run that run elsewhere, and are held to the same oracles. `test_intercepted.py` starts pytest inside,
with the option that `conftest.py` reads. Needs root, `ip` and `nft`.
"""

import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.routed_network import run_ip
from tests.fakes.running_proxy import Configuration, RunningProxy
from tests.fakes.wire_client import Way, connect

OPTION = "--intercepted-from"
WAYS = (Way.HTTP, Way.HTTPS)

_NOT_HTTP = "what does not begin as HTTP is refused before it is a request: an event, and no request's record"
_ADDRESS = "an address in the request must be the one that the connection was for: 421, whatever the rules say"
# Tests that fare otherwise, by name, or by name and parameter; each with its reason.
OTHERWISE = {
    "test_aud_04_what_never_became_a_request_has_a_record_too[malformed-http]": _NOT_HTTP,
    "test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read[h1-17 tabs-http]": _NOT_HTTP,
    "test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read[h1-17 lower-case version-http]": _NOT_HTTP,
    "test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read[h1-17 no version-http]": _NOT_HTTP,
    "test_h1_17_two_empty_lines_before_a_request_are_not_tolerated[http]": _NOT_HTTP,
    "test_h1_17_one_empty_line_before_a_request_is_tolerated[http]": _NOT_HTTP,
    "test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read[h1-19 no host in HTTP/1.0-http]": (
        "HTTP/1.0 need not name the host where the connection does"
    ),
    "test_the_api_cannot_be_reached_through_the_proxy": _ADDRESS,
    "test_pol_14_an_address_in_canonical_form_matches_its_cidr": _ADDRESS,
    "test_sec_27_a_private_address_may_have_it_in_clear": _ADDRESS,
    "test_an_address_that_the_operator_named_is_dialled_past_the_default_list": _ADDRESS,
}
_LINK = "clients0"
_CLONE_NEWNET = 0x40000000


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Names of (where everything runs, where clients are), which end with the block."""
    here, clients = (f"ip-{role}-{os.getpid()}" for role in ("attacked", "attackers"))
    try:
        for name in (here, clients):
            run_ip("netns", "add", name)
            run_ip("-n", name, "link", "set", "lo", "up")
        run_ip("link", "add", _LINK, "netns", here, "type", "veth", "peer", "name", "eth0", "netns", clients)
        for name, link, address in ((here, _LINK, "10.99.0.1/24"), (clients, "eth0", "10.99.0.2/24")):
            run_ip("-n", name, "address", "add", address, "dev", link)
            run_ip("-n", name, "link", "set", link, "up")
        run_ip("-n", clients, "route", "add", "default", "via", "10.99.0.1")
        run_ip("-n", here, "rule", "add", "fwmark", "1", "lookup", "100")
        run_ip("-n", here, "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100")
        yield here, clients
    finally:
        for name in (here, clients):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Interception:
    """Inside the machine: what takes clients to the proxies that a run of tests starts."""

    def __init__(self, clients: str) -> None:
        self._numbers = itertools.count(1)
        self._addresses: dict[tuple[int, Way], str] = {}   # of a proxy's process
        self._clients = ThreadPoolExecutor(1, "clients", _enter, (clients,))
        _nft("add table ip attack\nadd chain ip attack in { type filter hook prerouting priority mangle; }")

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have every proxy started for it, and every session of its ways opened by it."""
        begin, start, to_listener = RunningProxy.__init__, RunningProxy.start, RunningProxy.connect

        def begin_transparent(proxy: RunningProxy, configuration: Configuration, *others: Any, **options: Any) -> None:
            begin(proxy, transparent(configuration), *others, **options)

        def start_intercepted(proxy: RunningProxy, *others: Any, **options: Any) -> RunningProxy:
            started = start(proxy, *others, **options)
            self._intercept(started)
            return started

        def connect_intercepted(proxy: RunningProxy, way: Way, port: int) -> socket.socket:
            if way not in WAYS:
                return to_listener(proxy, way, port)
            return self._clients.submit(connect, (self._addresses[proxy.process.pid, way], port)).result()

        patch.setattr(RunningProxy, "__init__", begin_transparent)
        patch.setattr(RunningProxy, "start", start_intercepted)
        patch.setattr(RunningProxy, "connect", connect_intercepted)

    def _intercept(self, proxy: RunningProxy) -> None:
        for way, listener in zip(WAYS, ("http", "https"), strict=True):
            if listener in proxy.addresses:
                number = next(self._numbers)
                address = self._addresses[proxy.process.pid, way] = f"198.18.{number >> 8}.{number & 255}"
                host, port = proxy.addresses[listener]
                matched = f"iifname {_LINK} ip daddr {address} meta l4proto tcp"
                _nft(f"add rule ip attack in {matched} tproxy to {host}:{port} meta mark set 1 accept")


def transparent(configuration: Configuration) -> Configuration:
    """The same configuration for a proxy that the kernel takes connections to."""
    if isinstance(configuration, str):
        return configuration
    return {**configuration, "proxy": {"transparent": "tproxy", **configuration.get("proxy", {})}}


def _enter(namespace: str) -> None:
    """Have this thread's sockets be of another namespace. (os.setns came with Python 3.12.)"""
    with Path("/run/netns", namespace).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")


def _nft(rules: str) -> None:
    done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{rules}: {done.stderr}"
