"""`iron-proxy selftest` with a canary on the far side: behind nothing, our jail, our proxy, and other proxies."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.clients.namespace import NamespaceUnavailable
from tests.fakes.run_world import ROOT
from tests.fakes.running_proxy import ProxyCA
from tests.fakes.selftest_namespace import Program, SelftestNamespace, python

from iron_proxy.selftest.case import Group
from iron_proxy.selftest.catalogue import CASES

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

OF = {group: {case.name for case in CASES if case.group is group} for group in Group}
# What asks a proxy. The rest goes past it, or looks around on this machine, which is not what a proxy is for.
ASKING_THE_PROXY = OF[Group.POLICY] | OF[Group.INSIDE] | OF[Group.MISMATCH] | OF[Group.FRAMING] | {"dns-over-https"}
GOES_PAST_IT = OF[Group.DIRECT] | {"dns-direct", "dns-over-tls"}
# Spellings and addresses inside make others wait for names and networks that are not there.
OF_OTHER_PROXIES = ASKING_THE_PROXY - OF[Group.INSIDE] - {"spelled-name", "spelled-address", "denied-ports"}
OUR_PORT, SQUID_PORT, MITMPROXY_PORT = 8888, 3128, 8080
MITMDUMP = Path(os.environ.get("MITMDUMP", ROOT / ".venv-mitmproxy" / "bin" / "mitmdump"))


@pytest.fixture(scope="module")
def world() -> Iterator[SelftestNamespace]:
    try:
        with SelftestNamespace() as running:
            yield running
    except NamespaceUnavailable as reason:
        pytest.skip(str(reason))


def only(names: set[str]) -> list[str]:
    return ["-only", ",".join(sorted(names))]


def test_where_nothing_is_in_the_way_everything_gets_out(world: SelftestNamespace) -> None:
    result = world.selftest("-allowed", "https://allowed.test", *only(GOES_PAST_IT | {"denied-host", "dns-over-https"}))

    assert (result.status, result.of("held"), result.of("not tested")) == (1, set(), set())


@pytest.mark.parametrize("allowed", ["http://allowed.test", "https://allowed.test"])
def test_nothing_gets_out_of_our_jail(world: SelftestNamespace, user: str, allowed: str) -> None:
    result = world.selftest(
        "-allowed", allowed, before=["-m", "iron_proxy", "run", "-allow", "allowed.test", "--"], user=user
    )

    assert (result.status, result.evidence("got out")) == (0, {}), result.stderr
    # They speak to a proxy, and nobody in a jail is told of one; and HTTP/2 is not spoken in the clear.
    untested = {"denied-ports", "socks-denied", "socks-commands", "loopback", "proxy-pages", "connect-two-names",
                "request-two-names"}  # fmt: skip
    http2 = {name for name in result.verdicts if name.startswith("http2-")} if allowed.startswith("http:") else set()
    assert result.of("not tested") == untested | http2


@pytest.mark.parametrize("allowed", ["http://allowed.test", "https://allowed.test"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_our_proxy_holds_whatever_it_is_asked(
    world: SelftestNamespace, proxy_ca: ProxyCA, scheme: str, allowed: str
) -> None:
    with our_proxy(world, proxy_ca):
        result = world.selftest(
            "-proxy", f"{scheme}://127.0.0.1:{OUR_PORT}", "-allowed", allowed, *only(ASKING_THE_PROXY)
        )

    assert (result.status, result.evidence("got out")) == (0, {})
    expected = {name for name in result.verdicts if name.startswith("http2-")} if allowed.startswith("http:") else set()
    expected |= {"connect-two-names", "request-two-names"} if scheme == "socks5h" else set()
    assert result.of("not tested") == expected


def our_proxy(world: SelftestNamespace, ca: ProxyCA) -> Program:
    configuration = {
        "dns": {"listen": "127.0.0.1:5353", "proxy_ip": "127.0.0.1"},
        "proxy": {
            "http_listen": "127.0.0.1:8880", "https_listen": "127.0.0.1:8443", "tunnel_listen": f"127.0.0.1:{OUR_PORT}",
        },
        "tls": {"ca_cert": str(ca.certificate), "ca_key": str(ca.key)},
        "metrics": {"listen": "127.0.0.1:9090"},
        "transforms": [{"name": "allowlist", "config": {"domains": ["allowed.test"]}}],
    }  # fmt: skip
    file = world.folder / "ours.yaml"
    file.write_text(json.dumps(configuration))
    return world.program(python("-config", str(file)), "iron-proxy starting")


def test_squid_with_an_allowlist_lets_tunnels_be_anything(world: SelftestNamespace) -> None:
    """It can fail: squid's usual allowlist decides by CONNECT's host and does not look into the tunnel."""
    with squid(world):
        tls = world.selftest(
            "-proxy", f"http://127.0.0.1:{SQUID_PORT}", "-allowed", "https://allowed.test", *only(OF_OTHER_PROXIES),
            "-timeout", "2",
        )  # fmt: skip

    assert tls.status == 1
    assert {"tunnel-raw", "fronted-host", "fronted-server-name"} <= tls.of("got out"), tls.verdicts
    assert {"denied-host", "denied-upgrade", "socks-denied"} <= tls.of("held"), tls.verdicts


def squid(world: SelftestNamespace) -> AbstractContextManager[Program]:
    program = shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("squid is not installed")
    file = world.folder / "squid.conf"
    file.write_text(f"""
http_port 127.0.0.1:{SQUID_PORT}
acl allowed dstdomain allowed.test
http_access allow allowed
http_access deny all
access_log none
cache deny all
pid_filename none
cache_log /dev/stderr
shutdown_lifetime 1 seconds
dns_timeout 1 seconds
connect_timeout 1 seconds
connect_retries 0
""")
    command = [program, "-N", "-f", str(file), "-d", "1"]
    return world.program(command, "Accepting HTTP Socket connections", is_ours=False)


def test_mitmproxy_without_a_policy_lets_everything_out(world: SelftestNamespace) -> None:
    """It can fail: made by `make selftest-rivals`, or named by MITMDUMP."""
    if not MITMDUMP.exists():
        pytest.skip("mitmproxy is not installed; make selftest-rivals installs it in an environment of its own")
    listen = ["--listen-host", "127.0.0.1", "--listen-port", str(MITMPROXY_PORT)]
    options = [*listen, "--ssl-insecure", "--set", f"confdir={world.folder}"]
    with world.program([str(MITMDUMP), *options], "proxy listening", is_ours=False):
        result = world.selftest(
            "-proxy", f"http://127.0.0.1:{MITMPROXY_PORT}", "-allowed", "https://allowed.test", *only(OF_OTHER_PROXIES)
        )

    assert result.status == 1
    assert {"denied-host", "denied-upgrade", "dns-over-https", "fronted-host"} <= result.of("got out"), result.verdicts
