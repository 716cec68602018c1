"""
The configuration as the rest of the program sees it: frozen values, every default, and the reason of each number.

`reading.py` fills them from a file and the environment; nothing here reads or checks. What a transform or a source of
secrets is configured with stays a `Section` until its builder reads it. Light on purpose: every command imports this.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final, Literal

from iron_proxy.config.addresses import ListenAddress, ResolverAddress

if TYPE_CHECKING:
    from iron_proxy.config.section import Section  # brings the YAML reader with it

# The ports of the protocols: an intercepted client knows no others.
DEFAULT_DNS_LISTEN: Final = ":53"
DEFAULT_HTTP_LISTEN: Final = ":80"
DEFAULT_HTTPS_LISTEN: Final = ":443"
# Upstream's choice; the custom of Prometheus, which scrapes it.
DEFAULT_METRICS_LISTEN: Final = ":9090"
# Upstream's name; where the management API's key is, unless the configuration says otherwise.
DEFAULT_API_KEY_ENV: Final = "IRON_MANAGEMENT_API_KEY"
# 1 MiB: API calls with their JSON fit, while a hundred uploads at once cannot exhaust the memory.
DEFAULT_MAX_REQUEST_BODY_BYTES: Final = 1024 * 1024
# Language models think for a while before the first byte; longer than this, and most clients have given up.
DEFAULT_UPSTREAM_RESPONSE_HEADER_TIMEOUT: Final = 30.0
# A leaf with its context is some 30 KiB, so this is some 30 MiB; a workload talks to tens of hosts.
DEFAULT_CERT_CACHE_SIZE: Final = 1000
# Three days: longer than a CI job or an agent's session, short enough that a copied leaf is soon worthless.
DEFAULT_LEAF_CERT_EXPIRY_HOURS: Final = 72
# A hundred years: no CA lives longer, and dates far beyond cannot be written into a certificate.
MAX_LEAF_CERT_EXPIRY_HOURS: Final = 876_000
# Long enough for a chat that nobody types in, short enough that a client that vanished without a word is let go.
DEFAULT_WEBSOCKET_IDLE_TIMEOUT: Final = 3600.0
# A handshake is two round trips; ten seconds serve the slowest honest link and cost an attacker a new connection each.
DEFAULT_TLS_HANDSHAKE: Final = 10.0
# From a head's first byte to its last. Longer only serves those who hold connections open by trickling bytes.
DEFAULT_REQUEST_HEAD: Final = 10.0
# A client that connects and says nothing at all. Browsers connect ahead of their first request.
DEFAULT_FIRST_BYTE: Final = 60.0
# Between two requests of a kept connection. Clients' pools keep theirs for 60 to 120 s; ours should not be the first
# to close.
DEFAULT_IDLE: Final = 120.0
# Between two pieces of a request body. Bidirectional streams pause while a person thinks.
DEFAULT_REQUEST_BODY_IDLE: Final = 300.0
# Parity: upstream has none. A model may think between two tokens for minutes; ten of them mean it is dead.
DEFAULT_RESPONSE_BODY_IDLE: Final = 600.0
# Whoever takes nothing of what we send for this long has stopped reading, client or upstream.
DEFAULT_WRITE: Final = 120.0
# Parity: upstream gives up connecting after 30 s. Several addresses share it, and so does a proxy's handshake.
DEFAULT_CONNECT: Final = 30.0
# TLS that is passed through and on which neither side says anything. Peers that mean to stay ping more often than this.
DEFAULT_TUNNEL_IDLE: Final = 3600.0
# Two hundred uploads of which a transform sees a MiB, and what a small machine can spare.
DEFAULT_BODY_MEMORY: Final = 256 * 1024 * 1024
# Browsers and load generators open up to 100 at once, and RFC 9113 section 6.5.2 recommends no fewer.
DEFAULT_HTTP2_STREAMS: Final = 100
# As many as a client may take back at once (`protocols/http2/limits.py: RESETS`): with more, an honest client that
# cancels all that it has asked for would look like an attack.
MAX_HTTP2_STREAMS: Final = 200
# A program's start asks for tens of names, and answers are kept; a tunnel through DNS needs hundreds of new names a
# minute to carry some kilobytes.
DEFAULT_LOOKUPS_PER_MINUTE: Final = 300
# The only protocol of upgrades that browsers and SDKs use; others are the operator's to name.
DEFAULT_UPGRADES: Final = ("websocket",)
# Older versions are broken, and no public API needs them any more.
DEFAULT_MIN_TLS_VERSION: Final = "1.2"
# 100 MiB: some 200,000 requests, and no editor chokes on it.
DEFAULT_AUDIT_MAX_SIZE: Final = 100 * 1024 * 1024
# With the newest 1.1 GiB at most.
DEFAULT_AUDIT_KEEP: Final = 10
# What somebody could do to a line before a signature covers it, and what a signature a minute costs: next to nothing.
DEFAULT_AUDIT_SIGN_INTERVAL: Final = 60.0
# What a negative `cert_cache_size` means.
UNLIMITED: Final = 2**63 - 1

LogLevel = Literal["debug", "info", "warn", "error"]
AuditSchema = Literal["seed", "v0.46"]
AuditOutput = Literal["stderr", "file", "both"]
AuditMode = Literal["relaxed", "strict"]
DefaultAction = Literal["deny", "allow"]
DenialBody = Literal["empty", "explain"]
DNSMode = Literal["intercept", "strict"]
TLSMode = Literal["mitm", "sni-only"]
TLSVersion = Literal["1.2", "1.3"]
# The sides on which HTTP/2 is offered.
HTTP2 = Literal["both", "clients", "upstreams", "off"]
# How the kernel brings connections to the listeners that were not for them.
Transparent = Literal["off", "tproxy", "redirect"]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class DNSRecordConfig:
    """One entry of `dns.records`, in canonical spelling. `type` is `A`, `AAAA`, `CNAME` or `TXT`."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class DNSConfig:
    """`dns:`. When enabled, `listen` and one of `proxy_ip` and `proxy_ip6` are there."""

    enabled: bool = True
    listen: ListenAddress | None = field(default_factory=lambda: ListenAddress.parse(DEFAULT_DNS_LISTEN))
    proxy_ip: str | None = None
    proxy_ip6: str | None = None
    # Strict: names that no rule could allow do not exist.
    mode: DNSMode = "intercept"
    upstream_resolver: ResolverAddress | None = None  # None is the operating system's
    passthrough: tuple[str, ...] = ()  # patterns: lower case, no trailing dot
    lookups_per_minute: int | None = DEFAULT_LOOKUPS_PER_MINUTE  # of one client's passthrough names; None is no limit
    records: tuple[DNSRecordConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class UpstreamProxyConfig:
    """`proxy.upstream_proxy`; empty is none. The URLs may hold a password, so they are not shown."""

    http_proxy: str = field(default="", repr=False)
    https_proxy: str = field(default="", repr=False)
    no_proxy: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamTLSHostConfig:
    """One entry of `proxy.upstream_tls.hosts`. It stands alone: of the keys beside `hosts` none is added to it."""

    host: str  # a pattern: lower case, no trailing dot
    ca_files: tuple[str, ...] = ()
    system_roots: bool = True
    client_cert: str | None = None
    client_key: str | None = None
    min_version: TLSVersion = DEFAULT_MIN_TLS_VERSION  # the one beside `hosts` when the entry says none


@dataclass(frozen=True, slots=True)
class UpstreamTLSConfig:
    """`proxy.upstream_tls`: how upstreams are verified. The first entry of `hosts` that fits counts."""

    ca_files: tuple[str, ...] = ()  # beside the system's roots
    min_version: TLSVersion = DEFAULT_MIN_TLS_VERSION
    client_cert: str | None = None
    client_key: str | None = None
    hosts: tuple[UpstreamTLSHostConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`proxy:`. A listener that is None is switched off."""

    http_listen: ListenAddress | None = field(default_factory=lambda: ListenAddress.parse(DEFAULT_HTTP_LISTEN))
    https_listen: ListenAddress | None = field(default_factory=lambda: ListenAddress.parse(DEFAULT_HTTPS_LISTEN))
    tunnel_listen: ListenAddress | None = None
    # How much of a body a transform may see; None is no limit. What is forwarded is never cut.
    max_request_body_bytes: int | None = DEFAULT_MAX_REQUEST_BODY_BYTES
    max_response_body_bytes: int | None = None
    upstream_response_header_timeout: float = DEFAULT_UPSTREAM_RESPONSE_HEADER_TIMEOUT
    # None is the built-in deny list; a list, also an empty one, takes its place.
    upstream_deny_cidrs: tuple[Network, ...] | None = None
    # What happens when no allowlist is configured.
    default_action: DefaultAction = "deny"
    # What clients are told about a denial that have not asked for the reason.
    denial_body: DenialBody = "empty"
    upstream_proxy: UpstreamProxyConfig = field(default_factory=UpstreamProxyConfig)
    upstream_tls: UpstreamTLSConfig = field(default_factory=UpstreamTLSConfig)
    http2: HTTP2 = "both"
    # What a request may ask to upgrade to: lower case.
    upgrades: tuple[str, ...] = DEFAULT_UPGRADES
    websocket_idle_timeout: float = DEFAULT_WEBSOCKET_IDLE_TIMEOUT
    websocket_max_duration: float | None = None
    # Whether requests of none of `clients` are refused.
    require_client: bool = False
    # How long a stop goes on serving while /healthz tells balancers to send nobody any more.
    drain_delay: float = 0.0
    # Of the HTTP and HTTPS listeners; clients of the tunnel listener speak to it on purpose.
    transparent: Transparent = "off"
    # Processes that serve the three listeners; auto is one for each core that the process may use.
    workers: "int | Literal['auto']" = 1


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """`tls:`. The CA paths are there whenever a listener terminates TLS."""

    mode: TLSMode = "mitm"
    ca_cert: str | None = None
    ca_key: str | None = None
    cert_cache_size: int = DEFAULT_CERT_CACHE_SIZE
    leaf_cert_expiry_hours: int = DEFAULT_LEAF_CERT_EXPIRY_HOURS
    # Hosts whose TLS is not terminated in mode mitm. Patterns: lower case, no trailing dot.
    passthrough: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """
    One entry of `clients:`; at least one of `cidrs` and a password, and with both a client has to show both.

    The password's source stands under `password` in `section`, for `secret_sources` to build.
    """

    name: str
    cidrs: tuple[Network, ...]
    username: str  # "" without a password
    has_password: bool
    section: "Section" = field(compare=False)


@dataclass(frozen=True, slots=True)
class TransformConfig:
    """One entry of `transforms:`; the registry knows the names, the builder reads (and finishes) the section."""

    name: str
    section: "Section"
    line: int | None = None


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """`metrics:`. None is off."""

    listen: ListenAddress | None = field(default_factory=lambda: ListenAddress.parse(DEFAULT_METRICS_LISTEN))


@dataclass(frozen=True, slots=True)
class ManagementConfig:
    """`management:`. None is off. The key is in the file if there is one, else in the variable."""

    listen: ListenAddress | None = None
    api_key_env: str = DEFAULT_API_KEY_ENV
    api_key_file: str | None = None


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`log:`."""

    level: LogLevel = "info"
    audit_schema: AuditSchema = "seed"


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """`audit:`. `file` is there whenever `output` names one; sizes in bytes, times in seconds."""

    output: AuditOutput = "stderr"
    file: str | None = None
    max_size: int | None = DEFAULT_AUDIT_MAX_SIZE  # None is no limit
    keep: int = DEFAULT_AUDIT_KEEP
    mode: AuditMode = "relaxed"
    sync: bool = False
    session_records: bool = False
    chain: bool = False
    sign_key: str | None = None
    sign_interval: float = DEFAULT_AUDIT_SIGN_INTERVAL


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """`process:`. Names or numbers as text; None leaves the process as it was started."""

    user: str | None = None
    group: str | None = None  # None is the user's own
    seccomp: bool = False


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """`limits:`. Times in seconds. Numbers that are None follow from the descriptors that the process may open."""

    # Towards clients; `tls_handshake` and `write` count for upstreams as well.
    tls_handshake: float = DEFAULT_TLS_HANDSHAKE
    request_head: float = DEFAULT_REQUEST_HEAD
    first_byte: float = DEFAULT_FIRST_BYTE
    idle: float = DEFAULT_IDLE
    request_body_idle: float = DEFAULT_REQUEST_BODY_IDLE
    write: float = DEFAULT_WRITE
    # Towards upstreams.
    connect: float = DEFAULT_CONNECT
    response_body_idle: float = DEFAULT_RESPONSE_BODY_IDLE
    tunnel_idle: float = DEFAULT_TUNNEL_IDLE
    connections: int | None = None
    connections_per_client: int | None = None
    http2_streams: int = DEFAULT_HTTP2_STREAMS
    # Bytes of request bodies that are held for transforms, of all clients; one may have three quarters of it.
    body_memory: int = DEFAULT_BODY_MEMORY


DEFAULT_LIMITS: Final = LimitsConfig()


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, checked."""

    dns: DNSConfig = field(default_factory=DNSConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    tls: TLSConfig = field(default_factory=TLSConfig)
    clients: tuple[ClientConfig, ...] = ()
    transforms: tuple[TransformConfig, ...] = ()
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    management: ManagementConfig = field(default_factory=ManagementConfig)
    log: LogConfig = field(default_factory=LogConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
