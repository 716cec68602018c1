"""
Ours as an arm, in as many shapes as there are questions: workers, long rule lists, body scanning, DNS.

Each shape is the same program with a key or two changed, so that two rows differ in what their titles say.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.arm import OUTPUT_FILE, Launch, said_by
from bench.free_ports import free_ports
from bench.setting import HOST, HOST_WITHOUT_SECRETS, PROXY_TOKEN, REAL_SECRET, SMALL, UNKNOWN_HOSTS, Ports, Setting
from iron_proxy.config.loading import load_config
from iron_proxy.errors import ConfigError

# The command of the environment that runs the benchmark.
COMMAND = Path(sys.executable).with_name("iron-proxy")
NAME = "iron-proxy"
WORKERS_NAME = "iron-proxy-2-workers"
# All load comes from one address, which by itself may not have all connections: 10,000 idle ones and those at work.
_CONNECTIONS = 12_000
# Any address: names are answered, nobody connects.
_DNS_ANSWER = "127.0.0.1"

_DOES = (
    "One process. It checks an allowlist, signs a leaf for the name, swaps a secret in `Authorization`, verifies the "
    "origin's certificate, takes the secret out of responses, and writes an audit record (JSON) per request."
)


@dataclass(frozen=True, slots=True)
class IronProxy:
    """Allowlist, a secret swapped in Authorization, responses scrubbed, every request audited."""

    name: str = NAME
    title: str = NAME
    does: str = _DOES
    credential: str = PROXY_TOKEN
    cannot: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    # How many entries there are of each kind; the last one is always the one that a request needs.
    exact_hosts: int = 1
    wildcards: int = 0
    path_rules: int = 0
    secrets: int = 1
    scans_bodies: bool = False
    # `intercept` or `strict`; without one there is no DNS server.
    dns_mode: str | None = None

    def missing(self) -> str | None:
        if not COMMAND.exists():
            return "iron-proxy is not installed here: pip install -e ."
        return None if self.processes == 1 or knows_workers(self.processes) else "not available in this version"

    def version(self) -> str:
        return said_by(str(COMMAND), "--version")

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https, management, dns = free_ports(4)
        configuration = directory / "iron-proxy.yaml"
        document = self.configuration(setting, Ports(http, https), management, dns)
        configuration.write_text(json.dumps(document, indent=2))  # JSON is YAML too, and leaves nothing to quote
        return Launch(
            ports=Ports(http, https),
            command=(str(COMMAND), "-config", str(configuration)),
            environment=_environment(setting),
            log=directory / OUTPUT_FILE,  # audit lines go to stderr
            dns_port=dns if self.dns_mode else None,
        )

    def configuration(self, setting: Setting, ports: Ports, management: int, dns: int) -> dict[str, object]:
        """The whole configuration file."""
        proxy: dict[str, object] = {
            "http_listen": f"127.0.0.1:{ports.http}",
            "https_listen": f"127.0.0.1:{ports.https}",
        }
        if self.processes > 1:
            proxy["workers"] = self.processes
        return {
            "dns": self._dns(dns),
            "proxy": proxy,
            "tls": {"ca_cert": str(setting.certificates.ca), "ca_key": str(setting.certificates.ca_key)},
            "transforms": [
                {"name": "allowlist", "config": self._allowlist()},
                {"name": "secrets", "config": {"secrets": self._secrets()}},
            ],
            "metrics": {"listen": f"127.0.0.1:{management}"},
            "limits": {"connections": _CONNECTIONS, "connections_per_client": _CONNECTIONS},
            "log": {"level": "info"},
        }

    def _dns(self, port: int) -> dict[str, object]:
        if self.dns_mode is None:
            return {"enabled": False}
        return {"listen": f"127.0.0.1:{port}", "proxy_ip": _DNS_ANSWER, "mode": self.dns_mode}

    def _allowlist(self) -> dict[str, object]:
        wildcards = [f"*.w{number}.{UNKNOWN_HOSTS}" for number in range(self.wildcards)]
        exact = [f"h{number}.{UNKNOWN_HOSTS}" for number in range(self.exact_hosts - 1)]
        domains = [*wildcards, *exact, f"*.leaf.{UNKNOWN_HOSTS}", HOST_WITHOUT_SECRETS]
        if not self.path_rules:
            return {"domains": [*domains, HOST]}
        paths = [f"/path-{number}/*" for number in range(self.path_rules - 1)] + [f"{SMALL}*"]
        return {"domains": domains, "rules": [{"host": HOST, "paths": [path]} for path in paths]}

    def _secrets(self) -> list[dict[str, object]]:
        others = [_secret(f"other-token-{number:06}") for number in range(self.secrets - 1)]
        return [*others, _secret(PROXY_TOKEN, self.scans_bodies)]


def knows_workers(count: int) -> bool:
    """Whether this version accepts so many workers: asked of the configuration itself."""
    document = {
        "dns": {"enabled": False},
        "proxy": {"workers": count},
        "tls": {"ca_cert": "/ca.crt", "ca_key": "/ca.key"},
    }
    try:
        load_config("workers.yaml", {}, lambda _path: json.dumps(document).encode())
    except ConfigError:
        return False
    return True


def _secret(token: str, match_body: bool = False) -> dict[str, object]:
    replace: dict[str, object] = {"proxy_value": token, "match_headers": ["Authorization"]}
    if match_body:
        replace["match_body"] = True
    source = {"type": "env", "var": "BENCH_SECRET" if token == PROXY_TOKEN else "BENCH_OTHER_SECRET"}
    return {"source": source, "replace": replace, "rules": [{"host": HOST}]}


def _environment(setting: Setting) -> dict[str, str]:
    # IRON_* of whoever runs the benchmark would change what is measured.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRON_")}
    own = {"BENCH_SECRET": REAL_SECRET, "BENCH_OTHER_SECRET": "another-secret-0123456789"}
    return inherited | own | {"SSL_CERT_FILE": str(setting.certificates.ca)}
