"""
TLS on both sides: the `tls:` block, towards clients, and `proxy.upstream_tls`, towards upstreams.

Only the words are checked here. The files that are named are read at the start, by `certs/` and `upstream/trust.py`.
Called by `reading.py` and `reading_proxy.py`.
"""

from typing import cast

from iron_proxy.config import schema
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import host_pattern, host_patterns

_VERSIONS = ("1.2", "1.3")
_WILDCARDS = frozenset("*?[\\")


def read_tls(section: Section) -> schema.TLSConfig:
    """Read `tls:`."""
    mode = section.choice("mode", ("mitm", "sni-only"), "mitm", 'must be "mitm" or "sni-only"')
    size = section.integer("cert_cache_size", 0)
    hours = section.integer("leaf_cert_expiry_hours", 0, at_least=0)
    if hours > schema.MAX_LEAF_CERT_EXPIRY_HOURS:
        section.problem("leaf_cert_expiry_hours", f"must be at most {schema.MAX_LEAF_CERT_EXPIRY_HOURS}; got {hours}")
    config = schema.TLSConfig(
        mode=cast("schema.TLSMode", mode),
        ca_cert=section.text("ca_cert") or None,
        ca_key=section.text("ca_key") or None,
        cert_cache_size=schema.UNLIMITED if size < 0 else size or schema.DEFAULT_CERT_CACHE_SIZE,
        leaf_cert_expiry_hours=hours or schema.DEFAULT_LEAF_CERT_EXPIRY_HOURS,
        passthrough=tuple(host_patterns(section, "passthrough")),
    )
    _warn_about_wide_patterns(section)
    section.finish()
    return config


def _warn_about_wide_patterns(section: Section) -> None:
    for index, (text, line) in enumerate(section.texts_with_lines("passthrough")):
        if not _WILDCARDS.isdisjoint(text.removeprefix("*.")):
            message = f'"{text}" may fit more hosts than it seems, and what they are sent is not seen; write *.NAME'
            section.problems.warning(line, f"{section.path}.passthrough[{index}]", message)


# --- upstreams ------------------------------------------------------------------------------------------------------


def read_upstream_tls(section: Section) -> schema.UpstreamTLSConfig:
    """Read `proxy.upstream_tls`."""
    min_version = _min_version(section, schema.DEFAULT_MIN_TLS_VERSION)
    client_cert, client_key = _client_certificate(section)
    config = schema.UpstreamTLSConfig(
        ca_files=_paths(section, "ca_files"),
        min_version=min_version,
        client_cert=client_cert,
        client_key=client_key,
        hosts=_hosts(section, min_version),
    )
    section.finish()
    return config


def _hosts(section: Section, min_version: schema.TLSVersion) -> tuple[schema.UpstreamTLSHostConfig, ...]:
    hosts: dict[str, schema.UpstreamTLSHostConfig] = {}
    for entry in section.sections("hosts"):
        host = _host(entry, min_version)
        if host.host in hosts and host.host:
            entry.problem("host", f'"{host.host}" has an entry above, and only the first one counts; make them one')
        hosts.setdefault(host.host, host)
    return tuple(hosts.values())


def _host(entry: Section, min_version: schema.TLSVersion) -> schema.UpstreamTLSHostConfig:
    client_cert, client_key = _client_certificate(entry)
    config = schema.UpstreamTLSHostConfig(
        host=host_pattern(entry, "host"),
        ca_files=_paths(entry, "ca_files"),
        system_roots=entry.boolean("system_roots", True),
        client_cert=client_cert,
        client_key=client_key,
        min_version=_min_version(entry, min_version),
    )
    if not config.system_roots and not config.ca_files:
        entry.problem("system_roots", "without ca_files no certificate could be verified; list the roots in ca_files")
    entry.finish()
    return config


def _min_version(section: Section, default: schema.TLSVersion) -> schema.TLSVersion:
    return cast("schema.TLSVersion", section.choice("min_version", _VERSIONS, default))


def _client_certificate(section: Section) -> tuple[str | None, str | None]:
    certificate, key = section.text("client_cert"), section.text("client_key")
    if certificate and not key:
        section.problem("client_cert", "needs client_key beside it, the PEM file of its key")
    elif key and not certificate:
        section.problem("client_key", "needs client_cert beside it, the PEM file of the certificate")
    return certificate or None, key or None


def _paths(section: Section, key: str) -> tuple[str, ...]:
    paths = section.texts_with_lines(key)
    for index, (path, line) in enumerate(paths):
        if not path:
            section.problem_at(line, f"{key}[{index}]", "must be the path of a PEM file")
    return tuple(path for path, _ in paths)
