"""Squid: one process as an accelerator in front of the origin, caching off, a JSON access log."""

import os
import shutil
import subprocess
from pathlib import Path
from types import MappingProxyType

from bench.arm import Launch, said_by
from bench.free_ports import free_ports
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, Ports, Setting
from bench.workload_names import UNARY_H2

# Whom Debian's package runs it as.
_USER = "proxy"


class Squid:
    """The forward proxy that most networks had."""

    name = "squid"
    title = "Squid"
    does = (
        "One process, caching off, in accelerator mode. It takes the client's credential away and adds a fixed one, "
        "verifies the origin's certificate, keeps connections to it, and writes a JSON access log."
    )
    credential = PROXY_TOKEN
    cannot = MappingProxyType({UNARY_H2: "Squid does not speak HTTP/2"})
    processes = 1

    def missing(self) -> str | None:
        if shutil.which("squid") is None:
            return "squid is not installed: apt-get install squid-openssl"
        return None if "with-openssl" in _build() else "this squid has no TLS: apt-get install squid-openssl"

    def version(self) -> str:
        return " ".join(said_by("squid", "-v").replace("Cache: Version", "").split())

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https = free_ports(2)
        ports, log = Ports(http, https), directory / "access.log"
        configuration = directory / "squid.conf"
        configuration.write_text(squid_configuration(setting, ports, log, directory))
        log.touch()
        copies = [
            Path(shutil.copy(file, directory)) for file in (setting.certificates.leaf, setting.certificates.leaf_key)
        ]
        if os.geteuid() == 0:
            setting.directory.chmod(0o711)  # the user below finds its folder, and sees no other
            for path in (directory, log, *copies):
                shutil.chown(path, _USER)
        # The name keeps the shared memory of two of them apart.
        return Launch(ports, ("squid", "-N", "-n", f"bench{http}", "-f", str(configuration)), os.environ, log)


def squid_configuration(setting: Setting, ports: Ports, log: Path, directory: Path) -> str:
    """The whole file. Started by root it becomes another user, for it insists on that; others it leaves alone."""
    user = f"cache_effective_user {_USER}\n" if os.geteuid() == 0 else ""
    leaf, key = directory / setting.certificates.leaf.name, directory / setting.certificates.leaf_key.name
    certificate = f"tls-cert={leaf} tls-key={key}"
    verified = f"tls tlscafile={setting.certificates.ca} ssldomain={HOST}"
    peer = "parent {port} 0 no-query no-digest no-netdb-exchange originserver login=PASSTHRU name={name}"
    return f"""{user}http_port 127.0.0.1:{ports.http} accel defaultsite={HOST} name=plain
https_port 127.0.0.1:{ports.https} accel defaultsite={HOST} {certificate} name=tls
acl came_plain myportname plain
acl came_tls myportname tls
cache_peer 127.0.0.1 {peer.format(port=setting.origin.of("http"), name="http_origin")}
cache_peer 127.0.0.1 {peer.format(port=setting.origin.of("https"), name="https_origin")} {verified}
cache_peer_access http_origin allow came_plain
cache_peer_access https_origin allow came_tls
never_direct allow all
http_access allow all
request_header_access Authorization deny all
request_header_add Authorization "Bearer {REAL_SECRET}" all
cache deny all
cache_mem 0
logformat audit {_LOG_FORMAT}
access_log stdio:{log} logformat=audit
cache_log {directory}/cache.log
buffered_logs on
pid_filename none
netdb_filename none
coredump_dir {directory}
shutdown_lifetime 0 seconds
max_filedescriptors 8192
client_lifetime 1 day
visible_hostname {HOST}
"""


_LOG_FORMAT = (
    '{"time":"%tl","level":"INFO","msg":"request","method":"%rm","path":"%>rp","action":"allow",'
    '"status_code":%>Hs,"duration_ms":%tr,"upstream":"%<A"}'
)


def _build() -> str:
    return subprocess.run(["squid", "-v"], capture_output=True, text=True, timeout=20, check=False).stdout
