"""HAProxy: one thread, a JSON log on its standard output, the credential set by a request rule."""

import os
import shutil
from pathlib import Path

from bench.arm import DOES_EVERYTHING, OUTPUT_FILE, Launch, said_by
from bench.free_ports import free_ports
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, UNARY, Ports, Setting


class HAProxy:
    """The load balancer."""

    name = "haproxy"
    title = "HAProxy"
    does = (
        "One thread. It sets a fixed credential, verifies the origin's certificate, shares kept connections to it, "
        "and writes a JSON log line per request to its standard output. It decides nothing."
    )
    credential = PROXY_TOKEN
    cannot = DOES_EVERYTHING
    processes = 1

    def missing(self) -> str | None:
        return None if shutil.which("haproxy") else "haproxy is not installed: apt-get install haproxy"

    def version(self) -> str:
        return said_by("haproxy", "-v").partition(" - ")[0]

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports = Ports(http, https)
        configuration = directory / "haproxy.cfg"
        configuration.write_text(haproxy_configuration(setting, ports))
        return Launch(ports, ("haproxy", "-db", "-f", str(configuration)), os.environ, directory / OUTPUT_FILE)


def haproxy_configuration(setting: Setting, ports: Ports) -> str:
    """The whole file."""
    pem, ca = setting.certificates.leaf_and_key, setting.certificates.ca
    verified = f"ssl verify required ca-file {ca} sni str({HOST}) verifyhost {HOST}"
    return f"""global
    nbthread 1
    maxconn 4000
    log stdout format raw local0

defaults
    mode http
    log global
    option dontlognull
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    http-reuse always
    log-format '{_LOG_FORMAT}'

frontend plain
    bind 127.0.0.1:{ports.http}
    http-request set-header Authorization "Bearer {REAL_SECRET}"
    default_backend http_origin

frontend tls
    bind 127.0.0.1:{ports.https} ssl crt {pem} alpn h2,http/1.1
    http-request set-header Authorization "Bearer {REAL_SECRET}"
    use_backend h2_origin if {{ path_beg {UNARY} }}
    default_backend https_origin

backend http_origin
    server origin 127.0.0.1:{setting.origin.of("http")}

backend https_origin
    server origin 127.0.0.1:{setting.origin.of("https")} {verified}

backend h2_origin
    server origin 127.0.0.1:{setting.origin.of("h2")} {verified} alpn h2
"""


_LOG_FORMAT = (
    '{"time":"%tr","level":"INFO","msg":"request","backend":"%b","method":"%HM","path":"%HPO",'
    '"action":"allow","status_code":%ST,"duration_ms":%Ta,"upstream":"%si:%sp"}'
)
