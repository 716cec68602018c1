"""Config → services, listeners and DNS, all bound and nothing served yet. The only file that knows all folders."""

import logging
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iron_proxy.audit.emitter import AuditEmitter, write_to
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config
from iron_proxy.dns.answers import Zone
from iron_proxy.dns.forwarding import Forwarder
from iron_proxy.dns.server import DNSServer
from iron_proxy.errors import BadHandshake, StartupError
from iron_proxy.listeners.accept import Listener
from iron_proxy.listeners.binding import bind_tcp, bind_udp, is_local_address
from iron_proxy.listeners.http import HTTPListener
from iron_proxy.listeners.https import HTTPSListener
from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.proxy.services import Leaves, Services
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.runtime.last_wall import LAST_WALL
from iron_proxy.runtime.process_log import report
from iron_proxy.transforms.registry import build_transforms
from iron_proxy.upstream.deny_list import DenyList, readings_of
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.outbound_proxy import OutboundProxies
from iron_proxy.upstream.pool import Http2Use, Pool
from iron_proxy.upstream.resolver import Resolver, SystemResolver, UpstreamResolver
from iron_proxy.upstream.trust import UpstreamTrust


@dataclass(slots=True)
class DNSPart:
    """The DNS server and the sockets it will answer on."""

    server: DNSServer
    datagrams: list[socket.socket]
    streams: list[socket.socket]


@dataclass(slots=True)
class Assembly:
    """Everything one process runs, bound and ready."""

    services: Services
    listeners: list[Listener]
    dns: DNSPart | None
    pages: socket.socket | None                  # metrics.listen
    listen_texts: dict[str, str]                 # as configured, for the start-up line


def assemble(
    config: Config, pipeline: Pipeline, ca_files: CAFiles | None, clients: ClientIdentities | None = None
) -> Assembly:
    """Build and bind everything. Raises StartupError. Must run inside the event loop."""
    audit = AuditEmitter(ENVELOPES[config.log.audit_schema], LAST_WALL.before(write_to(2)))
    snapshot = Snapshot(
        pipeline,
        tls_mode=config.tls.mode,
        passthrough=tuple(map(HostPattern.parse, config.tls.passthrough)),
        clients=clients or ClientIdentities(),
        require_client=config.proxy.require_client,
    )
    resolver = _resolver(config)
    own = OwnListeners()
    deny_list = DenyList(config.proxy.upstream_deny_cidrs)
    dialer = Dialer(
        resolver, deny_list, UpstreamTrust(config.proxy.upstream_tls), own.includes, _outbound_proxies(config)
    )
    services = Services(
        snapshot=snapshot,
        audit=audit,
        dialer=dialer,
        pool=Pool(dialer, http2=Http2Use(config.proxy.http2)),
        leaves=_leaves(config, ca_files),
        response_header_timeout=config.proxy.upstream_response_header_timeout,
        upgrades=frozenset(config.proxy.upgrades),
        websocket_idle_timeout=config.proxy.websocket_idle_timeout,
        websocket_max_duration=config.proxy.websocket_max_duration,
    )
    _announce_policy(snapshot.pipeline, deny_list)
    if config.tls.mode == "sni-only" and (config.tls.ca_cert or config.tls.ca_key):
        report(logging.WARNING, "tls.ca_cert and tls.ca_key are ignored when tls.mode=sni-only")
    listeners = _bind_listeners(config, services)
    pages = _bind_pages(config)
    dns = _bind_dns(config, resolver, audit)
    own.add(listener.sock for listener in listeners)
    own.add(sock for sock in (pages, *(dns.streams if dns is not None else ())) if sock is not None)
    return Assembly(services, listeners, dns, pages, _listen_texts(config))


def _leaves(config: Config, ca_files: CAFiles | None) -> Leaves:
    if ca_files is None:
        return NoLeaves()
    authority = CertificateAuthority.from_files(ca_files)
    alpn = ("h2", "http/1.1") if config.proxy.http2 in ("both", "clients") else ("http/1.1",)
    return LeafCache(authority, config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours, alpn=alpn)


class NoLeaves:
    """In place of a leaf cache where no listener terminates TLS, and so no CA has to be there."""

    def cached(self, host: str) -> ssl.SSLContext | None:
        """None is here."""
        return None

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """Refuse."""
        raise BadHandshake("TLS cannot be terminated: no CA is configured")


def build_pipeline(config: Config, environment: Mapping[str, str]) -> Pipeline:
    """The transforms of a configuration; what is wrong with them is noted on their sections' problems."""
    context = TransformContext(environment, config.proxy.max_request_body_bytes)
    transforms = build_transforms(config.transforms, context)
    return Pipeline(transforms, allow_by_default=config.proxy.default_action == "allow")


_UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class OwnListeners:
    """Our own sockets, which no request may be dialled to: a proxy that serves itself never stops."""

    def __init__(self) -> None:
        self._exact: set[tuple[str, int]] = set()
        self._any_address: set[int] = set()

    def add(self, sockets: Iterable[socket.socket]) -> None:
        """Take note of bound sockets."""
        for sock in sockets:
            host, port = sock.getsockname()[:2]
            if host in _UNSPECIFIED:
                self._any_address.add(port)
            else:
                self._exact.add((host, port))

    def includes(self, address: str, port: int) -> bool:
        """Whether connecting there would reach one of our listeners, in whatever spelling of its address."""
        spellings = [address, *map(str, readings_of(address))]
        if any((spelling, port) in self._exact for spelling in spellings):
            return True
        if spellings[-1] in _UNSPECIFIED and any(port == each for _, each in self._exact):
            return True                          # Linux connects these to this machine itself
        return port in self._any_address and any(map(is_local_address, spellings))


def _outbound_proxies(config: Config) -> OutboundProxies:
    texts = config.proxy.upstream_proxy
    proxies = OutboundProxies.from_texts(texts.http_proxy, texts.https_proxy, texts.no_proxy)
    if proxies.texts:
        report(logging.INFO, "using outbound proxy", **proxies.texts)
    return proxies


def _resolver(config: Config) -> Resolver:
    server = config.dns.upstream_resolver
    if server is None:
        return SystemResolver()
    report(logging.INFO, "using upstream resolver", addr=str(server))
    return UpstreamResolver(str(server))


def _announce_policy(pipeline: Pipeline, deny_list: DenyList) -> None:
    if pipeline.denies_everything:
        report(
            logging.WARNING,
            "no allowlist transform is configured: every request will be denied",
            remedy="add an allowlist transform, or set proxy.default_action: allow",
        )
    if deny_list.texts:
        report(logging.INFO, "upstream deny list active", cidrs=deny_list.texts)
    else:
        report(
            logging.WARNING,
            "upstream deny list is empty: names may resolve to loopback and metadata addresses",
            remedy="leave proxy.upstream_deny_cidrs out for the default list",
        )


def _bind_listeners(config: Config, services: Services) -> list[Listener]:
    proxy = config.proxy
    wanted = [
        ("http", proxy.http_listen, HTTPListener(services).serve),
        ("https", proxy.https_listen, HTTPSListener(services).serve),
        ("tunnel", proxy.tunnel_listen, TunnelListener(services).serve),
    ]
    return [
        Listener(name, bind_tcp(address.host, address.port, f"proxy.{name}_listen"), serve)
        for name, address, serve in wanted
        if address is not None
    ]


def _bind_pages(config: Config) -> socket.socket | None:
    address = config.metrics.listen
    if address is None:
        return None
    return bind_tcp(address.host, address.port, "metrics.listen")


def _bind_dns(config: Config, resolver: Resolver, audit: AuditEmitter) -> DNSPart | None:
    dns = config.dns
    if not dns.enabled or dns.listen is None:
        return None
    zone = Zone(dns.proxy_ip or "", dns.records, dns.passthrough)

    def on_event(event: dict[str, Any]) -> None:
        audit.emit(_dns_record(event))

    datagram, stream = _bind_both(dns.listen)
    return DNSPart(DNSServer(zone, Forwarder(resolver), on_event), [datagram], [stream])


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


def _dns_record(event: dict[str, Any]) -> EventRecord:
    refused = event["decision"] in ("refused", "malformed", "dropped")
    return EventRecord(
        time=timestamp(),
        level="WARN" if refused else "INFO",
        event="dns",
        action="reject" if refused else "allow",
        remote_addr=event.pop("client"),
        host=event.pop("name"),
        dns=event,
    )


def _listen_texts(config: Config) -> dict[str, str]:
    texts = {
        "dns_listen": _text(config.dns.listen) if config.dns.enabled else "disabled",
        "http_listen": _text(config.proxy.http_listen),
        "https_listen": _text(config.proxy.https_listen),
        "metrics_listen": _text(config.metrics.listen),
    }
    if config.proxy.tunnel_listen is not None:
        texts["tunnel_listen"] = _text(config.proxy.tunnel_listen)
    return texts


def _text(address: ListenAddress | None) -> str:
    return "off" if address is None else str(address)
