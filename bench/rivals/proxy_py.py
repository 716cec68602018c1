"""proxy.py: its reverse proxy, one process for HTTP and one for HTTPS, a small plugin for credential and log."""

import os
import shlex
from pathlib import Path
from types import MappingProxyType

from bench.arm import Launch, said_by
from bench.free_ports import free_ports
from bench.rivals.python_programs import program
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, Ports, Setting
from bench.workload_names import UNARY_H2

PLUGIN = "bench_plugin"
# Runs inside proxy.py.
_PLUGIN = f"""import json, os, time

from proxy.http import Url
from proxy.http.server import ReverseProxyBasePlugin

log = open(os.environ["BENCH_LOG"], "a", buffering=1)
origin = os.environ["BENCH_ORIGIN"].encode()


class ToOrigin(ReverseProxyBasePlugin):
    def routes(self):
        return [r"/.*"]

    def before_routing(self, request):
        log.write(json.dumps({{
            "time": time.time(), "level": "INFO", "msg": "request", "host": request.header(b"host").decode(),
            "method": request.method.decode(), "path": request.path.decode(), "action": "allow",
        }}) + "\\n")
        request.del_header(b"authorization")
        request.add_header(b"Authorization", b"Bearer {REAL_SECRET}")
        request.del_header(b"connection")
        request.add_header(b"Connection", b"close")
        return request

    def handle_route(self, request, pattern):
        return Url.from_bytes(origin + request.path)
"""


class ProxyPy:
    """The other well-known proxy in Python."""

    name = "proxy.py"
    title = "proxy.py"
    does = (
        "Its reverse proxy with one worker, as one process for HTTP and one for HTTPS. A small plugin sets a fixed "
        "credential and writes a JSON line per request, before the answer. It verifies the origin's certificate. Each "
        "request has new connections on both sides: 2.4.10 fails at the second request of a kept one."
    )
    credential = PROXY_TOKEN
    cannot = MappingProxyType({UNARY_H2: "proxy.py does not speak HTTP/2"})
    processes = 1

    def missing(self) -> str | None:
        return program("proxy.py", "proxy").missing()

    def version(self) -> str:
        return f"proxy.py {said_by(str(program('proxy.py', 'proxy').path), '--version')}"

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports, log = Ports(http, https), directory / "access.log"
        (directory / f"{PLUGIN}.py").write_text(_PLUGIN)
        log.touch()
        environment = os.environ | {"BENCH_LOG": str(log), "PYTHONPATH": str(directory)}
        return Launch(ports, proxy_py_command(setting, ports, directory), environment, log)


def proxy_py_command(setting: Setting, ports: Ports, directory: Path) -> tuple[str, ...]:
    """A shell that starts both processes; a proxy.py has TLS on all its ports or on none."""
    starts = [_start(setting, ports, directory, scheme) for scheme in ("http", "https")]
    return ("sh", "-c", f"{' & '.join(starts)} & wait")


def _start(setting: Setting, ports: Ports, directory: Path, scheme: str) -> str:
    command = [
        str(program("proxy.py", "proxy").path), "--hostname", "127.0.0.1", "--port", str(ports.of(scheme)),
        "--num-acceptors", "1", "--num-workers", "1", "--enable-reverse-proxy", "--disable-http-proxy",
        "--plugins", f"{PLUGIN}.ToOrigin", "--log-level", "WARNING", "--timeout", "600",
        "--data-dir", str(directory / f"data-{scheme}"), "--ca-file", str(setting.certificates.ca),
    ]  # fmt: skip
    if scheme == "https":
        command += ["--cert-file", str(setting.certificates.leaf), "--key-file", str(setting.certificates.leaf_key)]
    return f"BENCH_ORIGIN={scheme}://{HOST}:{setting.origin.of(scheme)} {shlex.join(command)}"
