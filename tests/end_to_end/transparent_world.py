"""A router whose kernel takes connections to the proxy, and curl in two places: behind it, and beside the proxy."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.routed_network import (
    ADDRESS_4,
    ADDRESS_6,
    NAMED_4,
    NAMED_6,
    ROUTER_4,
    ROUTER_6,
    TO_CLIENTS,
    WORKLOAD_UID,
    RoutedNetwork,
)
from tests.fakes.running_proxy import Line, ProxyCA, RunningProxy

PORTS = "22,80,443,8080,8443"
FLAGS = (
    "-proxy-ip", ROUTER_4, "-proxy-ip6", ROUTER_6, "-uid", "0", "-interface", TO_CLIENTS, "-tunnel-port", "3128",
    "-ports", PORTS,
)  # fmt: skip
# Names that lead to the origin's other address. The last two are not allowed, though the address of the first is.
NAMES = (
    f"named.test={NAMED_4}", f"named6.test={NAMED_6}", f"fronted.test={ADDRESS_4}", f"denied.test={NAMED_4}",
)  # fmt: skip


class World:
    """`where` a client is: `behind` the router, or `beside` the proxy as a user without rights."""

    def __init__(self, network: RoutedNetwork, proxy: RunningProxy, folder: Path, mode: str) -> None:
        self.network, self.proxy, self.mode = network, proxy, mode
        self.ca = folder / "ca.crt"              # where a user without rights can read it

    def place(self, where: str) -> tuple[str, int | None]:
        """(namespace, user)."""
        return (self.network.client, None) if where == "behind" else (self.network.router, WORKLOAD_UID)

    def curl(self, where: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run curl there. It knows nothing of a proxy but its CA."""
        namespace, uid = self.place(where)
        options = ("-sSg", "--max-time", "15", "--cacert", str(self.ca))
        return self.network.run(namespace, "curl", *options, *arguments, uid=uid)

    def python(self, where: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        namespace, uid = self.place(where)
        return self.network.python(namespace, program, *arguments, uid=uid)

    def mark(self) -> int:
        """For `record` and `event`: what has been said so far."""
        return len(self.proxy.lines)

    def record(self, since: int) -> Line:
        """The next record of a request."""
        return self.proxy.wait_for(lambda line: line.get("msg") == "request", start=since)

    def event(self, since: int, kind: str) -> Line:
        """The next event of a kind."""
        return self.proxy.wait_for(lambda line: line.get("event") == kind, start=since)


def configuration(internet: Internet, ca: ProxyCA, resolver: str, transparent: str) -> dict[str, Any]:
    """A proxy on the usual ports of every address, which allows one name and one address."""
    return base_config(
        internet,
        ca,
        dns={"listen": ":53", "proxy_ip": ROUTER_4, "upstream_resolver": resolver},
        proxy={
            "http_listen": ":80", "https_listen": ":443", "tunnel_listen": ":3128", "transparent": transparent,
            "upstream_response_header_timeout": "5s",
        },
        transforms=[
            {
                "name": "allowlist",
                "config": {
                    "domains": ["named.test", "named6.test"], "cidrs": [f"{ADDRESS_4}/32", f"{ADDRESS_6}/128"],
                },
            }
        ],
    )  # fmt: skip


def load_rules(network: RoutedNetwork, mode: str, flags: tuple[str, ...] = FLAGS) -> None:
    """As a user would."""
    if mode == "tproxy":
        done = network.iron_proxy(network.router, "tproxy", "up", *flags)
        assert done.returncode == 0, done.stderr
    else:
        network.load(network.router, "-mode", mode, *flags)


@contextmanager
def running_world(internet: Internet, ca: ProxyCA, directory: Path, mode: str) -> Iterator[World]:
    """All of it, with the rules loaded."""
    folder = Path(tempfile.mkdtemp(prefix="iron-proxy-ca-"))
    with RoutedNetwork() as network:
        try:
            folder.chmod(0o755)
            shutil.copy(ca.certificate, folder / "ca.crt")
            certificate = directory / "origin.pem"
            names = ("named.test", "named6.test", ADDRESS_4, ADDRESS_6)
            internet.ca.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(certificate))
            assert network.start(network.internet, "origin", str(certificate)) == "ready"
            resolver = network.start(network.router, "names", *NAMES)
            proxy = RunningProxy(configuration(internet, ca, resolver, mode), directory, internet, ca)
            proxy.prefix = network.prefix(network.router)
            load_rules(network, mode)
            try:
                yield World(network, proxy.start(), folder, mode)
            finally:
                proxy.kill()
        finally:
            shutil.rmtree(folder)
