"""
Three machines as network namespaces, with IPv4 and IPv6: a client, its router (where the proxy runs), the internet.

    client 10.77.1.2, fd77:1::2  ──  router 10.77.1.1, fd77:1::1 | 10.77.2.1, fd77:2::1  ──  internet: ADDRESS …

Without rules of ours the router forwards: what a test sees stopped, the rules have stopped. `routed_origin.py` serves
in the internet; a counter per protocol there says what has arrived. Needs root, `ip` and `nft`.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
CLIENT_4, CLIENT_6 = "10.77.1.2", "fd77:1::2"
ROUTER_4, ROUTER_6 = "10.77.1.1", "fd77:1::1"
# What clients connect to, and what the names lead to: two addresses of the same origin.
ADDRESS_4, ADDRESS_6 = "203.0.113.7", "2001:db8:9::7"
NAMED_4, NAMED_6 = "203.0.113.8", "2001:db8:9::8"
TO_CLIENTS, TO_INTERNET = "clients0", "internet0"
# A workload's user, who has no rights; the proxy runs as root in these tests.
WORKLOAD_UID = 65534

_numbers = itertools.count()

_COUNTERS = f"""
table inet seen {{
    counter seen_tcp {{ }}
    counter seen_udp {{ }}
    counter seen_icmp {{ }}
    counter seen_other {{ }}
    counter seen_at_address {{ }}
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept;
        iifname != "up0" accept
        ip daddr {ADDRESS_4} counter name seen_at_address
        ip6 daddr {ADDRESS_6} counter name seen_at_address
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert,
            mld-listener-report, mld2-listener-report }} accept
        meta l4proto tcp counter name seen_tcp accept
        meta l4proto udp counter name seen_udp accept
        meta l4proto {{ icmp, icmpv6 }} counter name seen_icmp accept
        counter name seen_other
    }}
}}
"""


def why_not() -> str:
    """Why there can be no such network here, in a sentence; "" when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [program for program in ("ip", "nft", "setpriv", "curl") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    tried = subprocess.run(["ip", "netns", "exec", _probe(), "true"], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", _probe()], capture_output=True, check=False)
    return f"this machine does not allow network namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def _probe() -> str:
    name = f"ip-probe-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    return name


class RoutedNetwork:
    """Made by `with`; namespaces, origin and names end with it."""

    interpreter = sys.executable

    def __init__(self) -> None:
        suffix = f"{os.getpid()}-{next(_numbers)}"
        self.client, self.router, self.internet = (f"ip-{role}-{suffix}" for role in ("client", "router", "internet"))
        self._programs: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for program in self._programs:
            program.kill()
            program.communicate()
        for name in self._namespaces:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    @property
    def _namespaces(self) -> tuple[str, str, str]:
        return self.client, self.router, self.internet

    # --- running things ---------------------------------------------------------------------------------------------

    def prefix(self, namespace: str, uid: int | None = None) -> list[str]:
        """What to put before a command to run it there; as a user without any rights when there is a `uid`."""
        where = ["ip", "netns", "exec", namespace]
        if uid is None:
            return where
        user = str(uid)
        powerless = ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        return [*where, "setpriv", "--reuid", user, "--regid", user, "--clear-groups", *powerless]

    def run(
        self, namespace: str, *command: str, uid: int | None = None, text: str = "", check: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command to its end."""
        return subprocess.run(
            [*self.prefix(namespace, uid), *command], input=text, capture_output=True, text=True, timeout=30,
            check=check, env=env,
        )  # fmt: skip

    def python(
        self, namespace: str, program: str, *arguments: str, uid: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a few lines of Python, with no more than the standard library."""
        return self.run(namespace, _system_python(), "-I", "-c", program, *arguments, uid=uid)

    def popen(
        self, namespace: str, program: str, *arguments: str, uid: int | None = None
    ) -> "subprocess.Popen[str]":
        """The same, going on beside the test until it ends or the network does."""
        started = subprocess.Popen(
            [*self.prefix(namespace, uid), _system_python(), "-I", "-c", program, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._programs.append(started)
        return started

    def iron_proxy(self, namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours."""
        return self.run(namespace, sys.executable, "-m", "iron_proxy", *arguments)

    def load(self, namespace: str, *flags: str) -> None:
        """Load what `iron-proxy nft` prints."""
        made = self.iron_proxy(namespace, "nft", *flags)
        assert made.returncode == 0, made.stderr
        loaded = self.run(namespace, "nft", "-f", "-", text=made.stdout)
        assert loaded.returncode == 0, loaded.stderr + made.stdout

    def unload(self, namespace: str) -> None:
        """Take the rules away, also where none are."""
        self.run(namespace, "nft", "-f", "-", text="table inet iron_proxy\ndelete table inet iron_proxy\n", check=True)

    def start(self, namespace: str, *arguments: str) -> str:
        """Start a program of this folder and return its first line, which says that it is ready."""
        program = subprocess.Popen(
            [*self.prefix(namespace), sys.executable, "-m", "tests.fakes.routed_origin", *arguments],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self._programs.append(program)
        assert program.stdout is not None
        return program.stdout.readline().strip()

    # --- what has arrived -------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, int]:
        """How many packets of each protocol have reached the internet, and how many the address that clients know."""
        listed = self.run(self.internet, "nft", "-j", "list", "counters", "table", "inet", "seen", check=True)
        counters = [each["counter"] for each in json.loads(listed.stdout)["nftables"] if "counter" in each]
        return {counter["name"].removeprefix("seen_"): counter["packets"] for counter in counters}

    @contextmanager
    def nothing_leaves(self) -> Iterator[None]:
        """Fails when a packet of any protocol reaches the internet meanwhile."""
        before = self.seen()
        yield
        after = self.seen()
        assert after == before, (before, after)

    # --- making it --------------------------------------------------------------------------------------------------

    def _make(self) -> None:
        for name in self._namespaces:
            run_ip("netns", "add", name)
            run_ip("-n", name, "link", "set", "lo", "up")
            for family in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                _set(name, family, "1" if name == self.router else "0")
            _set(name, "ipv6/conf/default/accept_dad", "0")
            # The strictest that distributions set: no packet comes in by another way than its answer would take.
            for scope in ("all", "default", "lo"):
                _set(name, f"ipv4/conf/{scope}/rp_filter", "1")
        self._join(self.client, "eth0", (CLIENT_4, CLIENT_6), self.router, TO_CLIENTS, (ROUTER_4, ROUTER_6))
        self._join(
            self.internet, "up0", ("10.77.2.2", "fd77:2::2"), self.router, TO_INTERNET, ("10.77.2.1", "fd77:2::1")
        )
        self._route(self.client, "default", ROUTER_4, "default", ROUTER_6)
        self._route(self.router, "default", "10.77.2.2", "default", "fd77:2::2")
        self._route(self.internet, "10.77.1.0/24", "10.77.2.1", "fd77:1::/64", "fd77:2::1")
        for address in (f"{ADDRESS_4}/32", f"{NAMED_4}/32", f"{ADDRESS_6}/128", f"{NAMED_6}/128"):
            run_ip("-n", self.internet, "address", "add", address, "dev", "lo")
        self.run(self.internet, "nft", "-f", "-", text=_COUNTERS, check=True)

    def _join(
        self, first: str, name: str, addresses: Sequence[str], second: str, other: str, others: Sequence[str]
    ) -> None:
        run_ip("link", "add", name, "netns", first, "type", "veth", "peer", "name", other, "netns", second)
        for namespace, interface, pair in ((first, name, addresses), (second, other, others)):
            run_ip("-n", namespace, "address", "add", f"{pair[0]}/24", "dev", interface)
            run_ip("-n", namespace, "address", "add", f"{pair[1]}/64", "dev", interface, "nodad")
            run_ip("-n", namespace, "link", "set", interface, "up")

    def _route(self, namespace: str, to_4: str, via_4: str, to_6: str, via_6: str) -> None:
        run_ip("-n", namespace, "route", "add", to_4, "via", via_4)
        run_ip("-n", namespace, "-6", "route", "add", to_6, "via", via_6)


def run_ip(*arguments: str) -> None:
    """Run `ip`, which must succeed."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def _set(namespace: str, key: str, value: str) -> None:
    command = f"echo {value} > /proc/sys/net/{key}"
    subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", command], check=True)


def _system_python() -> str:
    """An interpreter that a user without rights can start: the one of the tests may be in root's own folder."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or sys.executable
