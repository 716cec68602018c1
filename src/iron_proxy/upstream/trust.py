"""
What we demand of an upstream's TLS: a certificate for the name we dialled, TLS 1.2 or newer, always.

Whose word counts for which host (roots, further CAs, a client certificate of our own, a newer minimum) is
`proxy.upstream_tls`. Its files are read once, at the start; what is wrong with one stops it. Understanding them is
`trust_files.py`'s work. Called by `dialer.py`, once per new connection.
"""

import ssl
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from iron_proxy.config.schema import UpstreamTLSConfig, UpstreamTLSHostConfig
from iron_proxy.errors import StartupError
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.upstream.trust_files import load_client_certificate, read_ca_certificates

# The application protocols to offer (RFC 7301), in the order of our liking.
HTTP1: Final = ("http/1.1",)
HTTP2_OR_1: Final = ("h2", "http/1.1")

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_PLACE: Final = "proxy.upstream_tls"


class Trust(Protocol):
    """Chooses the context for a connection to a host. A context is never changed once it has been given out."""

    def context_for(self, host: str, alpn: tuple[str, ...]) -> ssl.SSLContext:
        """The context for a host in canonical form, offering these application protocols."""
        ...


class OneContext:
    """The same context for every host, whatever it offers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def context_for(self, host: str, alpn: tuple[str, ...]) -> ssl.SSLContext:
        """See `Trust.context_for`."""
        return self._context


class _Settings(NamedTuple):
    """What one context is made of; equal settings share one, for the system's roots weigh some 800 KiB."""

    ca_files: tuple[str, ...] = ()
    system_roots: bool = True
    client_cert: str | None = None
    client_key: str | None = None
    min_version: str = "1.2"


class UpstreamTrust:
    """`proxy.upstream_tls`, loaded: the first entry of `hosts` that fits a host counts, alone; else the rest of it."""

    def __init__(
        self, config: UpstreamTLSConfig | None = None, alpns: Iterable[tuple[str, ...]] = (HTTP1, HTTP2_OR_1)
    ) -> None:
        """
        Read every file. `alpns` are the offers that will be asked for.

        Raises StartupError naming the file and a remedy.
        """
        config = config or UpstreamTLSConfig()
        self._alpns = tuple(alpns)
        self._contexts: dict[tuple[_Settings, tuple[str, ...]], ssl.SSLContext] = {}
        self._otherwise = _Settings(config.ca_files, True, config.client_cert, config.client_key, config.min_version)
        self._hosts = [(HostPattern.parse(entry.host), _settings_of(entry)) for entry in config.hosts]
        self._load(self._otherwise, _PLACE)
        for position, (_, settings) in enumerate(self._hosts):
            self._load(settings, f"{_PLACE}.hosts[{position}]")

    def context_for(self, host: str, alpn: tuple[str, ...]) -> ssl.SSLContext:
        """See `Trust.context_for`; `alpn` is one of those that were named at the start."""
        for pattern, settings in self._hosts:
            if pattern.matches(host):
                return self._contexts[settings, alpn]
        return self._contexts[self._otherwise, alpn]

    def _load(self, settings: _Settings, place: str) -> None:
        if (settings, self._alpns[0]) in self._contexts:
            return
        if not settings.system_roots and not settings.ca_files:
            raise StartupError(
                f"{place}: trusts nobody; with system_roots: false name the host's CA under {place}.ca_files"
            )
        certificates = [
            certificate for path in settings.ca_files for certificate in read_ca_certificates(path, f"{place}.ca_files")
        ]
        for alpn in self._alpns:
            self._contexts[settings, alpn] = _build_context(settings, alpn, certificates, place)


def _settings_of(entry: UpstreamTLSHostConfig) -> _Settings:
    return _Settings(entry.ca_files, entry.system_roots, entry.client_cert, entry.client_key, entry.min_version)


def _build_context(settings: _Settings, alpn: tuple[str, ...], certificates: list[bytes], place: str) -> ssl.SSLContext:
    context = client_context(settings.system_roots)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.set_alpn_protocols(list(alpn))
    if certificates:
        # An operator who names an intermediate CA, or a server's own certificate, means just that: it need not be a
        # root. Go takes them so as well.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        _add_roots(context, certificates, place)
    if settings.client_cert is not None and settings.client_key is not None:
        load_client_certificate(context, settings.client_cert, settings.client_key, place)
    return context


def _add_roots(context: ssl.SSLContext, certificates: list[bytes], place: str) -> None:
    try:
        for certificate in certificates:
            context.load_verify_locations(cadata=certificate)
    except ssl.SSLError:
        raise StartupError(f"{place}.ca_files: OpenSSL does not take one of the certificates") from None


def client_context(system_roots: bool = True) -> ssl.SSLContext:
    """
    A context that verifies, with the system's roots (or SSL_CERT_FILE's, SSL_CERT_DIR's) or none, offering HTTP/1.1.

    A bare SSLContext ignores SSLKEYLOGFILE, which would write session keys to disk.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if system_roots:
        context.set_default_verify_paths()
    context.set_alpn_protocols(list(HTTP1))
    return context
