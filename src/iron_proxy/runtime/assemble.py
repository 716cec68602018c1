"""Config → services, listeners and DNS, all bound and nothing served yet. The only file that knows all folders."""

import logging
import socket
import ssl
import sys
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, LimitsConfig, Transparent
from iron_proxy.errors import BadHandshake, StartupError
from iron_proxy.listeners.accept import Listener
from iron_proxy.listeners.binding import bind_tcp, is_local_address
from iron_proxy.listeners.connection_counts import ConnectionCounts
from iron_proxy.listeners.http import HTTPListener
from iron_proxy.listeners.https import HTTPSListener
from iron_proxy.listeners.transparent import TransparentListener
from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.proxy.services import Leaves, Process, Services
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.runtime.audit_part import build_audit
from iron_proxy.runtime.capacity_part import build_counts
from iron_proxy.runtime.dns_part import DNSPart, bind_dns
from iron_proxy.runtime.exports import Exports
from iron_proxy.runtime.fleet import Fleet
from iron_proxy.runtime.process_log import report
from iron_proxy.streams.original_destination import ReadDestination, destination_of_redirect, destination_of_tproxy
from iron_proxy.transforms.registry import build_transforms
from iron_proxy.transforms.trace_context import TraceContext
from iron_proxy.upstream.deny_list import DenyList, readings_of
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.measured_pool import MeasuredPool
from iron_proxy.upstream.outbound_proxy import OutboundProxies
from iron_proxy.upstream.pool import Http2Use, Pool
from iron_proxy.upstream.recent_dials import RecentDials
from iron_proxy.upstream.resolver import Resolver, SystemResolver, UpstreamResolver
from iron_proxy.upstream.trust import UpstreamTrust

BuildFleet = Callable[[AuditEmitter, Services], Fleet]


@dataclass(slots=True)
class Assembly:
    """Everything one process runs, bound and ready."""

    services: Services
    listeners: list[Listener]
    dns: DNSPart | None
    pages: socket.socket | None                  # metrics.listen
    listen_texts: dict[str, str]                 # as configured, for the start-up line
    counts: ConnectionCounts                     # of all listeners together
    management: socket.socket | None = None      # management.listen
    own: "OwnListeners" = field(default_factory=lambda: OwnListeners())
    recent_dials: RecentDials | None = None
    exports: Exports = field(default_factory=Exports)  # by OTLP
    request_metrics: RequestMetrics = field(default_factory=RequestMetrics)
    upstream_metrics: UpstreamMetrics | None = None    # None where nobody asks: nothing is measured then
    drain_delay: float = 0.0                     # seconds between the signal to stop and the drain
    fleet: Fleet | None = None                   # the workers that have the listeners


def assemble(
    config: Config,
    pipeline: Pipeline,
    ca_files: CAFiles | None,
    clients: ClientIdentities | None = None,
    build_fleet: BuildFleet | None = None,
    *,
    is_measured: bool = False,
) -> Assembly:
    """
    Build and bind everything. Raises StartupError. Must run inside the event loop.

    `is_measured`: somebody wants the metrics, also where there is no page. With a fleet the listeners are its business.
    """
    audit = build_audit(config.log, config.audit)
    own = OwnListeners()
    recent_dials = None if config.proxy.transparent == "off" else RecentDials()
    clients = clients or ClientIdentities()
    measured = UpstreamMetrics() if is_measured or config.metrics.listen is not None else None
    for_workers = build_fleet is not None
    services = build_services(
        config, pipeline, ca_files, clients, audit, own.includes, recent_dials,
        upstream_metrics=measured, for_workers=for_workers,
    )  # fmt: skip
    fleet = None if build_fleet is None else build_fleet(audit, services)
    counts = build_counts(config.limits, audit)
    listeners = bind_listeners(config, services, counts, own, recent_dials) if fleet is None else []
    own.add_addresses(() if fleet is None else fleet.own_addresses)
    pages = _bind_pages("metrics.listen", config.metrics.listen)
    management = _bind_pages("management.listen", config.management.listen)
    dns = bind_dns(config.dns, services)
    own.add(listener.sock for listener in listeners)
    own.add(sock for sock in (pages, management, *(dns.streams if dns is not None else ())) if sock is not None)
    texts = _listen_texts(config)
    assembly = Assembly(services, listeners, dns, pages, texts, counts, management, own, recent_dials, fleet=fleet)
    assembly.upstream_metrics, assembly.drain_delay = measured, config.proxy.drain_delay
    if measured is not None:
        audit.subscribe(assembly.request_metrics.take)
    return assembly


def build_services(
    config: Config,
    pipeline: Pipeline,
    ca_files: CAFiles | None,
    clients: ClientIdentities,
    audit: AuditEmitter,
    is_own_listener: Callable[[str, int], bool],
    recent_dials: RecentDials | None = None,
    *,
    former: Services | None = None,
    leaves: Leaves | None = None,
    upstream_metrics: UpstreamMetrics | None = None,
    for_workers: bool = False,
) -> Services:
    """
    What connections share, without a socket, for whoever has some. Raises StartupError.

    `is_own_listener(address, port)` says where the dialer must not connect to; it fills `recent_dials`, where
    connections are intercepted, and the pool `upstream_metrics`. For a reload: the services that these will replace,
    and their leaves if nothing that makes them has changed. `for_workers`: TLS is terminated elsewhere.
    """
    snapshot = _snapshot(config, pipeline, clients, 1 if former is None else former.snapshot.generation + 1)
    deny_list = DenyList(config.proxy.upstream_deny_cidrs)
    dialer = _dialer(config, deny_list, is_own_listener, recent_dials)
    _announce(config, snapshot.pipeline, deny_list)
    return Services(
        snapshot=snapshot,
        audit=audit,
        dialer=dialer,
        pool=_pool(dialer, Http2Use(config.proxy.http2), upstream_metrics, config.limits),
        leaves=leaves or _leaves(config, ca_files, for_workers),
        limits=config.limits,
        response_header_timeout=config.proxy.upstream_response_header_timeout,
        upgrades=frozenset(config.proxy.upgrades),
        websocket_idle_timeout=config.proxy.websocket_idle_timeout,
        websocket_max_duration=config.proxy.websocket_max_duration,
        records_sessions=config.audit.session_records,
        deny_list=deny_list,
        process=Process(config.limits.body_memory) if former is None else former.process,
    )


def _dialer(
    config: Config,
    deny_list: DenyList,
    is_own_listener: Callable[[str, int], bool],
    recent_dials: RecentDials | None,
) -> Dialer:
    trust, proxies = UpstreamTrust(config.proxy.upstream_tls), _outbound_proxies(config)
    return Dialer(_resolver(config), deny_list, trust, is_own_listener, proxies, recent_dials, config.limits)


def _pool(dialer: Dialer, http2: Http2Use, measured: UpstreamMetrics | None, limits: LimitsConfig) -> Pool:
    return Pool(dialer, http2, limits) if measured is None else MeasuredPool(dialer, http2, measured, limits)


def _snapshot(config: Config, pipeline: Pipeline, clients: ClientIdentities, generation: int) -> Snapshot:
    return Snapshot(
        pipeline,
        generation,
        tls_mode=config.tls.mode,
        passthrough=tuple(map(HostPattern.parse, config.tls.passthrough)),
        clients=clients,
        require_client=config.proxy.require_client,
        explains_denials=config.proxy.denial_body == "explain",
    )


def _announce(config: Config, pipeline: Pipeline, deny_list: DenyList) -> None:
    _announce_policy(pipeline, deny_list)
    if config.tls.mode == "sni-only" and (config.tls.ca_cert or config.tls.ca_key):
        report(logging.WARNING, "tls.ca_cert and tls.ca_key are ignored when tls.mode=sni-only")


def _leaves(config: Config, ca_files: CAFiles | None, for_workers: bool) -> Leaves:
    if ca_files is None:
        return NoLeaves()
    authority = CertificateAuthority.from_files(ca_files)
    size, hours = config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours
    return IssuedLeaves(authority, size, hours) if for_workers else LeafCache(authority, size, hours, alpn=alpn(config))


def alpn(config: Config) -> tuple[str, ...]:
    """What clients are offered inside TLS."""
    return ("h2", "http/1.1") if config.proxy.http2 in ("both", "clients") else ("http/1.1",)


class NoLeaves:
    """In place of a leaf cache where no listener terminates TLS, and so no CA has to be there."""

    def cached(self, host: str) -> ssl.SSLContext | None:
        """None is here."""
        return None

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """Refuse."""
        raise BadHandshake("TLS cannot be terminated: no CA is configured")


def build_pipeline(config: Config, environment: Mapping[str, str], *, is_traced: bool = False) -> Pipeline:
    """
    The transforms of a configuration; what is wrong with them is noted on their sections' problems.

    `is_traced`: its requests become spans, of whatever trace their clients say.
    """
    context = TransformContext(environment, config.proxy.max_request_body_bytes)
    transforms = build_transforms(config.transforms, context)
    if is_traced:
        transforms = [TraceContext(), *transforms]
    return Pipeline(transforms, allow_by_default=config.proxy.default_action == "allow")


_UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class OwnListeners:
    """Our own sockets, which no request may be dialled to: a proxy that serves itself never stops."""

    def __init__(self) -> None:
        self._exact: set[tuple[str, int]] = set()
        self._any_address: set[int] = set()

    def add(self, sockets: Iterable[socket.socket]) -> None:
        """Take note of bound sockets."""
        self.add_addresses(sock.getsockname()[:2] for sock in sockets)

    def add_addresses(self, addresses: Iterable[tuple[str, int]]) -> None:
        """The same for sockets of another process."""
        for host, port in addresses:
            if host in _UNSPECIFIED:
                self._any_address.add(port)
            else:
                self._exact.add((host, port))

    def replace(self, addresses: Iterable[tuple[str, int]]) -> None:
        """These and no others from now on."""
        self._exact.clear()
        self._any_address.clear()
        self.add_addresses(addresses)

    def addresses(self) -> list[tuple[str, int]]:
        """All of them, for `add_addresses`."""
        return [*self._exact, *((_UNSPECIFIED[0], port) for port in self._any_address)]

    def discard(self, sockets: Iterable[socket.socket]) -> None:
        """Forget sockets that are about to be closed. Before that: a closed socket has no name."""
        for sock in sockets:
            host, port = sock.getsockname()[:2]
            self._any_address.discard(port) if host in _UNSPECIFIED else self._exact.discard((host, port))

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


def bind_listeners(
    config: Config,
    services: Services,
    counts: ConnectionCounts,
    own: OwnListeners,
    recent_dials: RecentDials | None,
    names: Container[str] = ("http", "https", "tunnel"),
) -> list[Listener]:
    """
    Those of these names that are configured, bound. Raises StartupError, and then none is left bound.

    `recent_dials` are there where connections are intercepted; those to the tunnel listener never are.
    """
    proxy = config.proxy
    http, https = HTTPListener(services).serve, HTTPSListener(services).serve
    if recent_dials is not None:
        read = _destination_reader(proxy.transparent)
        http = TransparentListener(services, read, own.includes, recent_dials, http).serve
        https = TransparentListener(services, read, own.includes, recent_dials, https).serve
    transparent = proxy.transparent == "tproxy"
    wanted = [
        ("http", proxy.http_listen, http, transparent),
        ("https", proxy.https_listen, https, transparent),
        ("tunnel", proxy.tunnel_listen, TunnelListener(services).serve, False),
    ]
    listeners: list[Listener] = []
    try:
        for name, address, serve, flag in wanted:
            if address is not None and name in names:
                sock = bind_tcp(address.host, address.port, f"proxy.{name}_listen", transparent=flag)
                listeners.append(Listener(name, sock, serve, counts))
    except StartupError:
        for listener in listeners:
            listener.sock.close()
        raise
    return listeners


def _destination_reader(transparent: Transparent) -> ReadDestination:
    if sys.platform != "linux":
        raise StartupError(f"proxy.transparent: {transparent} needs Linux; leave it out")
    return destination_of_tproxy if transparent == "tproxy" else destination_of_redirect


def _bind_pages(setting: str, address: ListenAddress | None) -> socket.socket | None:
    return None if address is None else bind_tcp(address.host, address.port, setting)


def _listen_texts(config: Config) -> dict[str, str]:
    texts = {
        "dns_listen": _text(config.dns.listen) if config.dns.enabled else "disabled",
        "http_listen": _text(config.proxy.http_listen),
        "https_listen": _text(config.proxy.https_listen),
        "metrics_listen": _text(config.metrics.listen),
    }
    if config.proxy.tunnel_listen is not None:
        texts["tunnel_listen"] = _text(config.proxy.tunnel_listen)
    if config.management.listen is not None:
        texts["management_listen"] = _text(config.management.listen)
    return texts


def _text(address: ListenAddress | None) -> str:
    return "off" if address is None else str(address)
