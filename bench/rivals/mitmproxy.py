"""mitmproxy: mitmdump in reverse mode, a small addon as access log, the credential set by `modify_headers`."""

import os
from pathlib import Path

from bench.arm import DOES_EVERYTHING, Launch, said_by
from bench.free_ports import free_ports
from bench.rivals.python_programs import program
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, Ports, Setting

LOG_VARIABLE = "BENCH_LOG"
# Runs inside mitmproxy.
_ADDON = f"""import json, os, time

log = open(os.environ["{LOG_VARIABLE}"], "a", buffering=1)

def response(flow):
    request = flow.request
    log.write(json.dumps({{
        "time": time.time(), "level": "INFO", "msg": "request", "host": request.host_header, "method": request.method,
        "path": request.path, "action": "allow", "status_code": flow.response.status_code,
        "duration_ms": (time.time() - request.timestamp_start) * 1000,
    }}) + "\\n")
"""


class Mitmproxy:
    """The best known interception proxy in Python."""

    name = "mitmproxy"
    title = "mitmproxy"
    does = (
        "mitmdump in reverse mode. It sets a fixed credential, verifies the origin's certificate, streams bodies from "
        "1 MiB on, and a small addon writes a JSON line per request. Each client connection has one of its own to the "
        "origin."
    )
    credential = PROXY_TOKEN
    cannot = DOES_EVERYTHING
    processes = 1

    def missing(self) -> str | None:
        return program("mitmproxy", "mitmdump").missing()

    def version(self) -> str:
        return said_by(str(program("mitmproxy", "mitmdump").path), "--version").replace("Mitmproxy:", "mitmproxy")

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https, h2 = free_ports(3)
        ports, log, addon = Ports(http, https, h2), directory / "access.log", directory / "access_log.py"
        addon.write_text(_ADDON)
        log.touch()
        return Launch(
            ports, mitmproxy_command(setting, ports, directory, addon), os.environ | {LOG_VARIABLE: str(log)}, log
        )


def mitmproxy_command(setting: Setting, ports: Ports, directory: Path, addon: Path) -> tuple[str, ...]:
    """Everything is an option: there is no configuration file."""
    modes = [
        part
        for scheme in ("http", "https", "h2")
        for part in ("--mode", _reverse(scheme, setting.origin.of(scheme), ports.of(scheme)))
    ]
    options = {
        "confdir": directory,
        "ssl_verify_upstream_trusted_ca": setting.certificates.ca,
        "keep_host_header": "true",
        "flow_detail": 0,
        "stream_large_bodies": "1m",
        "modify_headers": f"/~q/Authorization/Bearer {REAL_SECRET}",
        "certs": f"*={setting.certificates.leaf_and_key}",
    }
    settings = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    return (str(program("mitmproxy", "mitmdump").path), "--quiet", "-s", str(addon), *modes, *settings)


def _reverse(scheme: str, origin: int, port: int) -> str:
    return f"reverse:{'http' if scheme == 'http' else 'https'}://{HOST}:{origin}@127.0.0.1:{port}"
