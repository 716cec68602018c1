"""
A network namespace with nothing but loopback, under two names that differ in the DNS server that programs see.

    DNS        resolv.conf names the proxy, the one routing of a program that knows of no proxy
    no DNS     resolv.conf names an address where nobody answers: only the proxy can resolve a name

A program that ignores HTTPS_PROXY or ALL_PROXY therefore fails where it is told of the proxy; it cannot pass by DNS.
"""

import os
import shutil
import subprocess
from pathlib import Path

PROXY_ADDRESS = "127.0.0.1"
NOBODY = "127.0.0.99"


class NamespaceUnavailable(Exception):
    """Why there is none, in a sentence."""


class Namespace:
    """Made by `open`, removed by `close`; needs root. Several of one process differ in their purpose."""

    def __init__(self, purpose: str = "clients") -> None:
        self.with_dns = f"iron-proxy-{purpose}-{os.getpid()}"
        self.without_dns = f"{self.with_dns}-no-dns"
        self._is_made = False

    def open(self) -> None:
        """Raises NamespaceUnavailable."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise NamespaceUnavailable("network namespaces need root and the ip program")
        made = subprocess.run(["ip", "netns", "add", self.with_dns], capture_output=True, text=True, check=False)
        if made.returncode:
            raise NamespaceUnavailable(f"this machine does not allow network namespaces: {made.stderr.strip()}")
        self._is_made = True
        second = Path("/run/netns") / self.without_dns
        second.touch()
        subprocess.run(["mount", "--bind", f"/run/netns/{self.with_dns}", str(second)], check=True)
        subprocess.run(["ip", "-n", self.with_dns, "link", "set", "lo", "up"], check=True)
        for name, server in ((self.with_dns, PROXY_ADDRESS), (self.without_dns, NOBODY)):
            folder = Path("/etc/netns") / name
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(f"nameserver {server}\noptions timeout:1 attempts:1\n")

    def close(self) -> None:
        """Remove what `open` made, even where it stopped half-way."""
        for name in (self.without_dns, self.with_dns) if self._is_made else ():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)

    def prefix(self, *, dns: bool) -> list[str]:
        """What to put before a command to run it there."""
        return ["ip", "netns", "exec", self.with_dns if dns else self.without_dns]
