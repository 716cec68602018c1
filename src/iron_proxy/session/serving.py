"""
The proxy of a session: the services of `runtime/assemble.py` behind sockets that a jail, or nobody, has handed out.

Heavy: imports everything that serves. Called by `jailed.py`, which imports it while the jail is being made, and by
`unjailed.py`.
"""

import gc
import socket
from collections.abc import Mapping
from dataclasses import replace

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.jail.refused import Refusal
from iron_proxy.listeners.accept import Listener, Serve
from iron_proxy.listeners.binding import bind_tcp
from iron_proxy.listeners.http import HTTPListener
from iron_proxy.listeners.https import HTTPSListener
from iron_proxy.listeners.transparent import TransparentListener
from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.proxy.client_identity import Client, ClientIdentities
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.assemble import Assembly, OwnListeners, build_services
from iron_proxy.runtime.capacity_part import build_counts
from iron_proxy.runtime.dns_part import DNSPart, build_dns_server
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.session.doors import DNS_TCP, DNS_UDP, HTTP_PORT, HTTPS_PORT, TUNNEL, own_addresses
from iron_proxy.session.preparation import Preparation
from iron_proxy.streams.original_destination import destination_of_tproxy
from iron_proxy.upstream.recent_dials import RecentDials

# Without a jail, whoever runs on this machine can reach the listener: the program shows that it is the one.
WEAK_CLIENT = "run"


def assemble_behind(doors: Mapping[str, socket.socket], preparation: Preparation, audit: AuditEmitter) -> Assembly:
    """
    What serves the doors of a jail, by name; it closes them. Raises StartupError. Must run inside the event loop.

    A door says where a connection was going (its local address), as TPROXY does, and first bytes tell what is spoken.
    """
    config = preparation.config
    services = build_services(
        config, preparation.policy.pipeline, preparation.ca_files, ClientIdentities(), audit, _nothing_is_ours
    )
    counts = build_counts(config.limits, audit)
    listeners = [
        Listener(name, sock, _serve_of(name, services, own_addresses(config)), counts)
        for name, sock in doors.items()
        if name not in (DNS_UDP, DNS_TCP)
    ]
    dns = DNSPart(build_dns_server(config.dns, services), [doors[DNS_UDP]], [doors[DNS_TCP]])
    return Assembly(services, listeners, dns, None, {}, counts)


def assemble_tunnel(preparation: Preparation, audit: AuditEmitter, password: str) -> tuple[Assembly, int]:
    """What serves one tunnel listener on loopback, for whoever knows the password; and its port. As above."""
    own = OwnListeners()
    source = EnvironmentSource(f"password of client {WEAK_CLIENT}", {f"password of client {WEAK_CLIENT}": password})
    clients = ClientIdentities((Client(WEAK_CLIENT, username=WEAK_CLIENT, password=source),))
    config = replace(preparation.config, proxy=replace(preparation.config.proxy, require_client=True))
    services = build_services(config, preparation.policy.pipeline, preparation.ca_files, clients, audit, own.includes)
    sock = bind_tcp("127.0.0.1", 0, "the tunnel listener of this run")
    own.add((sock,))
    counts = build_counts(config.limits, audit)
    listener = Listener(TUNNEL, sock, TunnelListener(services).serve, counts)
    return Assembly(services, [listener], None, None, {}, counts), sock.getsockname()[1]


def settle_garbage_collector() -> None:
    """What start-up made stays for good; see `runtime/serving.py`. Nothing is collected first: that takes its time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def refusal_record(refusal: Refusal, count: int = 1) -> EventRecord:
    """The record of a connection to a port without a door, or of more of them."""
    address = f"[{refusal.address}]" if ":" in refusal.address else refusal.address
    destination = f"{address}:{refusal.port}" if refusal.port else address
    times = f", {count} times in all" if count > 1 else ""
    return EventRecord(
        time=timestamp(),
        level="WARN",
        event="jail",
        action="reject",
        reason=f"no way out by {refusal.protocol} to this port{times}",
        original_destination=destination,
    )


def _serve_of(name: str, services: Services, own: frozenset[str]) -> Serve:
    if name == TUNNEL:
        return TunnelListener(services).serve

    def is_ours(address: str, port: int) -> bool:
        # Names resolve to these, so that such a connection says nothing of where it was going but its port.
        return address in own and port in (HTTP_PORT, HTTPS_PORT)

    straight = HTTPListener(services).serve if name == "http" else HTTPSListener(services).serve
    # Our own connections are made elsewhere and cannot come back.
    return TransparentListener(services, destination_of_tproxy, is_ours, RecentDials(), straight).serve


def _nothing_is_ours(address: str, port: int) -> bool:
    """The doors are in another network than what the dialer connects to."""
    return False
