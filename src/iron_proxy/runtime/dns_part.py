"""
Config → the DNS server and its sockets, with the policy that strict mode asks and the audit records of its events.

`assemble.py` calls `bind_dns`. Whoever has sockets of its own, such as a network namespace's jail, takes
`build_dns_server` and gives them to `DNSPart`.
"""

import socket
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import DNSConfig
from iron_proxy.dns.answers import Zone
from iron_proxy.dns.event_flow import DNSEvent
from iron_proxy.dns.forwarding import Forwarder
from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.dns.name_servers import ConfiguredServer, NameServers, SystemServers
from iron_proxy.dns.responder import Responder
from iron_proxy.dns.server import DNSServer
from iron_proxy.errors import StartupError
from iron_proxy.listeners.binding import bind_tcp, bind_udp
from iron_proxy.proxy.services import Services

_REFUSALS = ("refused", "malformed", "dropped")
_SERVFAIL = "SERVFAIL"


@dataclass(slots=True)
class DNSPart:
    """The DNS server and the sockets it will answer on."""

    server: DNSServer
    datagrams: list[socket.socket]
    streams: list[socket.socket]


def bind_dns(config: DNSConfig, services: Services) -> DNSPart | None:
    """The server with bound sockets, or None when it is off. Raises StartupError."""
    if not config.enabled or config.listen is None:
        return None
    server = build_dns_server(config, services)
    datagram, stream = _bind_both(config.listen)
    return DNSPart(server, [datagram], [stream])


def build_dns_server(config: DNSConfig, services: Services) -> DNSServer:
    """The server without sockets. Must run inside the event loop."""

    def on_event(event: DNSEvent) -> None:
        services.audit.emit(_record_of(event, services.newest.snapshot.clients.by_address(event.client)))

    async def before_lookup() -> None:
        # What cannot be recorded does not leave the machine (strict). In the other mode DNS waits for nobody.
        if services.audit.is_strict and services.audit.must_wait:
            await services.audit.room()

    limits = LookupLimits(config.lookups_per_minute)
    zone, lookups = build_zone(config, services), build_lookups(config)
    return DNSServer(Responder(zone, lookups, on_event, limits=limits, before_lookup=before_lookup))


def build_zone(config: DNSConfig, services: Services) -> Zone:
    """The rules. Raises ConfigError."""

    def admits(host: str, client: str) -> bool:
        snapshot = services.newest.snapshot  # of this moment: a reload takes effect with the next question
        return snapshot.pipeline.could_admit_name(host, snapshot.clients.by_address(client))

    return Zone(
        config.proxy_ip or "",
        config.records,
        config.passthrough,
        proxy_ip6=config.proxy_ip6 or "",
        admits=admits if config.mode == "strict" else None,
    )


def build_lookups(config: DNSConfig) -> Forwarder:
    """What asks for passthrough names, with an empty cache."""
    return Forwarder(_name_servers(config))


def _name_servers(config: DNSConfig) -> NameServers:
    server = config.upstream_resolver
    return SystemServers() if server is None else ConfiguredServer(server.host, server.port)


def _bind_both(listen: ListenAddress) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP on the same port: clients that get a truncated answer ask again over TCP."""
    attempts = 1 if listen.port else 20           # with port 0, what the kernel gives us for UDP may be taken for TCP
    while True:
        attempts -= 1
        datagram = bind_udp(listen.host, listen.port, "dns.listen")
        try:
            return datagram, bind_tcp(listen.host, datagram.getsockname()[1], "dns.listen")
        except StartupError:
            datagram.close()
            if not attempts:
                raise


def _record_of(event: DNSEvent, client: str) -> EventRecord:
    action, level = _action_of(event)
    facts: dict[str, Any] = {
        "type": event.record_type,
        "decision": event.decision,
        "rcode": event.rcode,
        "upstream": event.upstream,
        "omitted": event.omitted,
    }
    return EventRecord(
        time=timestamp(),
        level=level,
        event="dns",
        action=action,
        reason=event.reason or UNSET,
        remote_addr=event.client,
        client=client or UNSET,
        host=event.name or UNSET,
        duration_ms=UNSET if event.duration is None else int(event.duration * 1e6) / 1e3,
        dns={name: value for name, value in facts.items() if value},
    )


def _action_of(event: DNSEvent) -> tuple[str, str]:
    if event.decision in _REFUSALS:
        return "reject", "WARN"
    return ("error", "ERROR") if event.rcode == _SERVFAIL else ("allow", "INFO")
