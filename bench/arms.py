"""
The table of arms: what is measured side by side. A further proxy is one more file in `rivals/` and one more row here.

What an arm is stands in `arm.py`; ours, in all its shapes, in `iron_proxy.py`.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import iron_proxy, nginx
from bench.arm import DOES_EVERYTHING, Arm, Launch, said_by
from bench.free_ports import free_ports
from bench.iron_proxy import IronProxy
from bench.rivals.envoy import Envoy
from bench.rivals.haproxy import HAProxy
from bench.rivals.mitmproxy import Mitmproxy
from bench.rivals.proxy_py import ProxyPy
from bench.rivals.squid import Squid
from bench.setting import PROXY_TOKEN, REAL_SECRET, Ports, Setting


class Direct:
    """No proxy: what the load generator and the origin reach between themselves."""

    name = "direct"
    title = "direct, no proxy"
    does = "The load generator asks the origin itself: the ceiling for rates, the floor for latency."
    credential = REAL_SECRET
    cannot = DOES_EVERYTHING
    processes = 1

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return ""

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        return Launch(setting.origin)


@dataclass(frozen=True, slots=True)
class NginxReverseProxy:
    """The limit in C: one worker, a pool of connections, a JSON access log, no policy."""

    # How many clients it may have at a time.
    connections: int = nginx.USUAL_CONNECTIONS
    name: str = "nginx"
    title: str = "nginx, reverse proxy"
    does: str = (
        "One worker and a pool of connections. It sets a fixed credential, verifies the origin's certificate, and "
        "writes a JSON access log. It decides nothing: it is the limit that a compiled reverse proxy sets, not a "
        "product with the same duties."
    )
    credential: str = PROXY_TOKEN
    cannot: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1

    def missing(self) -> str | None:
        return None if shutil.which("nginx") else "nginx is not installed: apt-get install nginx-light"

    def version(self) -> str:
        return said_by("nginx", "-v").removeprefix("nginx version: ")

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports = Ports(http, https)
        configuration, log = directory / "nginx.conf", directory / "access.log"
        configuration.write_text(nginx.reverse_proxy_configuration(setting, ports, log, self.connections))
        return Launch(ports, tuple(nginx.command(configuration)), os.environ, log)


DIRECT = Direct()
NGINX = NginxReverseProxy()
OURS = IronProxy()
TWO_WORKERS = IronProxy(
    name=iron_proxy.WORKERS_NAME,
    title="iron-proxy, two workers",
    does="The same with `proxy.workers: 2`.",
    processes=2,
)
# The order of the rows. Ratios are to `REFERENCE`, added latency is over `BASE`.
ARMS: tuple[Arm, ...] = (DIRECT, NGINX, OURS, TWO_WORKERS, Envoy(), HAProxy(), Squid(), Mitmproxy(), ProxyPy())
# What a first impression needs.
QUICK_ARMS: tuple[Arm, ...] = (DIRECT, NGINX, OURS)
BASE = Direct.name
REFERENCE = NGINX.name
