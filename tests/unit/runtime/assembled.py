"""Configurations that listen on free loopback ports, for tests that bind and serve."""

from dataclasses import replace
from functools import cache

from tests.unit.certs.ca_material import P256_KEY, ca_files, key_pem, make_ca_certificate, pem

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, DNSConfig, MetricsConfig, ProxyConfig
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime.assemble import Assembly, assemble

ANY_PORT = ListenAddress.parse("127.0.0.1:0")

EVERYTHING = Config(
    dns=DNSConfig(listen=ANY_PORT, proxy_ip="192.0.2.1"),
    proxy=ProxyConfig(http_listen=ANY_PORT, https_listen=ANY_PORT, tunnel_listen=ANY_PORT),
    metrics=MetricsConfig(listen=ANY_PORT),
)
HTTP_ONLY = Config(
    dns=DNSConfig(enabled=False),
    proxy=replace(EVERYTHING.proxy, https_listen=None, tunnel_listen=None),
    metrics=MetricsConfig(listen=None),
)


@cache
def a_ca() -> CAFiles:
    """A CA's files."""
    return ca_files(pem(make_ca_certificate()), key_pem(P256_KEY))


def assembled(config: Config, pipeline: Pipeline | None = None) -> Assembly:
    """All of it bound. What was bound must be closed, or served."""
    return assemble(config, pipeline or Pipeline([]), a_ca())


def close(assembly: Assembly) -> None:
    """Close what was bound and never served."""
    dns = assembly.dns
    for sock in (*(each.sock for each in assembly.listeners), assembly.pages):
        if sock is not None:
            sock.close()
    for sock in (*dns.datagrams, *dns.streams) if dns is not None else ():
        sock.close()
    assembly.services.pool.close()
