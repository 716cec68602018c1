"""
What lies on disk during a demo: a folder with two throw-away CAs and the proxy's configuration.

One CA is the proxy's, which the client trusts; the other is the origin's, which the proxy trusts. The folder, keys and
all, is gone when the demo is over.
"""

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.demo.scenario import ALLOWED_HOST, INTERNAL_TOKEN, OPENAI_API_KEY
from iron_proxy.temporary_folder import open_temporary_folder

# The demo takes seconds; a CA that somebody keeps a copy of is worthless by the next day.
_CA_HOURS = 1


class Scene:
    """The folder and what is in it. A context manager: leaving it removes the folder."""

    def __init__(self) -> None:
        self._folder = open_temporary_folder("iron-proxy-demo-")
        self.folder = Path(self._folder.name)
        self.proxy_ca = self._make_ca("ca", "iron-proxy demo CA")
        self.origin_ca = self._make_ca("origin-ca", "iron-proxy demo origin CA")
        self.configuration_path = self.folder / "proxy.yaml"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def write_configuration(self, resolver: str) -> str:
        """Write proxy.yaml with the resolver's address in it; returns its text."""
        text = configuration_text(resolver)
        self.configuration_path.write_text(text, encoding="utf-8")
        return text

    def origin_contexts(self, hosts: Iterable[str]) -> dict[str, ssl.SSLContext]:
        """TLS contexts for the origin to serve these hosts with."""
        files = CAFiles(
            self.origin_ca.read_bytes(),
            self.origin_ca.with_suffix(".key").read_bytes(),
            str(self.origin_ca),
            str(self.origin_ca.with_suffix(".key")),
        )
        leaves = LeafCache(CertificateAuthority.from_files(files), size=-1, lifetime_hours=_CA_HOURS)

        async def sign() -> dict[str, ssl.SSLContext]:
            return {host: await leaves.context_for(host, is_ip=False, admitted=True) for host in hosts}

        return asyncio.run(sign())

    def _make_ca(self, stem: str, name: str) -> Path:
        paths = CAPaths(str(self.folder / f"{stem}.crt"), str(self.folder / f"{stem}.key"))
        write_ca(paths, generate_ca(name, _CA_HOURS, "p256"))
        return Path(paths.certificate)


def configuration_text(resolver: str) -> str:
    """The proxy.yaml of the demo: the docker-compose example's policy, on free ports of loopback."""
    return f"""\
dns:
  listen: "127.0.0.1:0"                # any free port
  proxy_ip: "127.0.0.1"
  upstream_resolver: {f'"{resolver}"':<18}# the demo's own
proxy:
  http_listen: "127.0.0.1:0"
  https_listen: "127.0.0.1:0"
  tunnel_listen: "127.0.0.1:0"         # CONNECT and SOCKS5
  upstream_deny_cidrs: []              # demo only: its origin is on loopback
tls:
  ca_cert: ca.crt
  ca_key: ca.key
metrics:
  listen: "off"
transforms:
  - name: allowlist
    config:
      domains: ["{ALLOWED_HOST}", "icanhazip.com"]
  - name: secrets
    config:
      source: env                      # of the proxy; the client has no part
      secrets:
        - var: {OPENAI_API_KEY.name}
          proxy_value: "{OPENAI_API_KEY.token}"
          match_headers: ["Authorization"]
          hosts: [{{name: "{ALLOWED_HOST}"}}]
        - var: {INTERNAL_TOKEN.name}
          proxy_value: "{INTERNAL_TOKEN.token}"
          match_headers: []            # all headers are searched
          hosts: [{{name: "{ALLOWED_HOST}"}}]
"""
