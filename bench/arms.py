"""
The table of arms: what is measured side by side. A further proxy is one more small class and one more row of `ARMS`.

An arm says what it needs, writes its configuration, and names the command. Starting, pinning, measuring and stopping
are the same for all and live in `running_arm.py`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import nginx
from bench.free_ports import free_ports
from bench.setting import HOST, HOST_WITHOUT_SECRETS, PROXY_TOKEN, REAL_SECRET, Ports, Setting

# What an arm's process prints, on stdout and stderr, goes into this file of its directory.
OUTPUT_FILE = "output.log"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one arm. Without a command there is no process: the client asks the origin itself."""

    ports: Ports
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # Where its request log goes, a line per request; None means that it writes none.
    log: Path | None = None


class Arm(Protocol):
    """One row of the tables."""

    name: str
    title: str
    # The credential that its clients send.
    credential: str

    def missing(self) -> str | None:
        """What has to be installed first, in one sentence; None when it can be measured."""
        ...

    def version(self) -> str:
        """As its program tells it."""
        ...

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        """Write the configuration into its own directory, on ports that are free now."""
        ...


class Direct:
    """No proxy: what the load generator and the origin reach between themselves."""

    name = "direct"
    title = "direct, no proxy"
    credential = REAL_SECRET

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return ""

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        return Launch(setting.origin)


class NginxReverseProxy:
    """The limit in C: one worker, a pool of connections, a JSON access log, no policy."""

    name = "nginx"
    title = "nginx, reverse proxy"
    credential = PROXY_TOKEN

    def missing(self) -> str | None:
        return None if shutil.which("nginx") else "nginx is not installed: apt-get install nginx-light"

    def version(self) -> str:
        return said_by("nginx", "-v").removeprefix("nginx version: ")

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports = Ports(http, https)
        configuration, log = directory / "nginx.conf", directory / "access.log"
        configuration.write_text(nginx.reverse_proxy_configuration(setting, ports, log))
        return Launch(ports, tuple(nginx.command(configuration)), os.environ, log)


class IronProxy:
    """Ours: one process, allowlist, a secret swapped in Authorization, responses scrubbed, every request audited."""

    name = "iron-proxy"
    title = "iron-proxy"
    credential = PROXY_TOKEN
    # The command of the environment that runs the benchmark.
    command = Path(sys.executable).with_name("iron-proxy")

    def missing(self) -> str | None:
        return None if self.command.exists() else "iron-proxy is not installed here: pip install -e ."

    def version(self) -> str:
        return said_by(str(self.command), "--version")

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https, management = free_ports(3)
        configuration = directory / "iron-proxy.yaml"
        configuration.write_text(json.dumps(self._configuration(setting, Ports(http, https), management), indent=2))
        return Launch(
            ports=Ports(http, https),
            command=(str(self.command), "-config", str(configuration)),
            environment=self._environment(setting),
            log=directory / OUTPUT_FILE,  # audit lines go to stderr
        )

    def _environment(self, setting: Setting) -> dict[str, str]:
        # IRON_* of whoever runs the benchmark would change what is measured.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRON_")}
        return inherited | {"BENCH_SECRET": REAL_SECRET, "SSL_CERT_FILE": str(setting.certificates.ca)}

    def _configuration(self, setting: Setting, ports: Ports, management: int) -> dict[str, object]:
        # JSON is YAML too, and leaves nothing to quote.
        replace = {"proxy_value": PROXY_TOKEN, "match_headers": ["Authorization"]}
        secret = {"source": {"type": "env", "var": "BENCH_SECRET"}, "replace": replace, "rules": [{"host": HOST}]}
        return {
            "dns": {"enabled": False},
            "proxy": {"http_listen": f"127.0.0.1:{ports.http}", "https_listen": f"127.0.0.1:{ports.https}"},
            "tls": {"ca_cert": str(setting.certificates.ca), "ca_key": str(setting.certificates.ca_key)},
            "transforms": [
                {"name": "allowlist", "config": {"domains": [HOST, HOST_WITHOUT_SECRETS]}},
                {"name": "secrets", "config": {"secrets": [secret]}},
            ],
            "metrics": {"listen": f"127.0.0.1:{management}"},
            "log": {"level": "info"},
        }


# The order of the rows. Ratios are to `REFERENCE`, added latency is over `BASE`.
ARMS: tuple[Arm, ...] = (Direct(), NginxReverseProxy(), IronProxy())
BASE = Direct.name
REFERENCE = NginxReverseProxy.name


def said_by(*command: str) -> str:
    """The first line that a program prints about itself, on whichever stream; its status does not matter."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[0] if lines and done.returncode in (0, 1) else "unknown"
