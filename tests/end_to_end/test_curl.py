"""curl, a program that nobody here wrote, through every way in; and once with nothing but DNS to route it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.configurations import base_config
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy, split_address
from tests.fakes.wire_client import Way

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


def curl(
    proxy: RunningProxy, *arguments: str, stdin: bytes = b"", netns: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run curl with the proxy's CA; the caller says how it gets there."""
    prefix = ["ip", "netns", "exec", netns] if netns else []
    return subprocess.run(
        [*prefix, "curl", "-sS", "--max-time", "15", "--cacert", str(proxy.ca.certificate), *arguments],
        input=stdin, capture_output=True, check=False, timeout=20,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )  # fmt: skip


def address(proxy: RunningProxy, listener: str) -> str:
    host, port = proxy.addresses[listener]
    return f"{host}:{port}"


def route(proxy: RunningProxy, way: Way) -> list[str]:
    """The options that bring curl to a listener as DNS would, or as a proxy."""
    match way:
        case Way.HTTP | Way.HTTPS:
            return ["--connect-to", f"::{address(proxy, 'https' if way.is_tls else 'http')}"]
        case Way.CONNECT_TLS | Way.CONNECT_PLAIN:
            return ["--proxytunnel", "-x", f"http://{address(proxy, 'tunnel')}"]
        case _:
            return ["-x", f"socks5h://{address(proxy, 'tunnel')}"]


def url(proxy: RunningProxy, way: Way, path: str, host: str = "ok.test") -> str:
    return f"{'https' if way.is_tls else 'http'}://{proxy.authority(way, host)}{path}"


def owed(proxy: RunningProxy, way: Way, requests: int = 1) -> None:
    """Note the records that a curl run owes."""
    proxy.started += requests + way.is_tunnel


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.name.lower())
def test_a_get_reaches_the_origin(proxy: RunningProxy, way: Way) -> None:
    owed(proxy, way)

    done = curl(proxy, *route(proxy, way), url(proxy, way, "/"))

    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.name.lower())
def test_a_host_that_is_not_allowed_is_refused(proxy: RunningProxy, way: Way) -> None:
    proxy.started += 1

    done = curl(proxy, *route(proxy, way), "-w", "%{http_code} %{http_connect}", url(proxy, way, "/", "other.test"))

    assert b"403" in done.stdout or done.returncode == 97  # 97: a SOCKS proxy refused


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_the_standard_variables_lead_through_the_tunnel(proxy: RunningProxy, variable: str) -> None:
    owed(proxy, Way.CONNECT_TLS)
    scheme = "http" if variable == "HTTPS_PROXY" else "socks5h"

    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(proxy.ca.certificate), url(proxy, Way.CONNECT_TLS, "/")],
        env={"PATH": os.environ["PATH"], variable: f"{scheme}://{address(proxy, 'tunnel')}"},
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip

    assert done.stdout == b"ok\n"


def test_http_proxy_sends_absolute_forms_and_is_served(proxy: RunningProxy) -> None:
    proxy.started += 1

    done = curl(proxy, "-x", f"http://{address(proxy, 'tunnel')}", url(proxy, Way.HTTP, "/x"))

    assert done.stdout == b"ok\n"
    assert proxy.arrived()[-1].path == "/x"


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.name.lower())
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_twenty_megabytes_arrive_as_they_were_sent(
    proxy: RunningProxy, tmp_path: Path, way: Way, chunked: bool
) -> None:
    content = os.urandom(1 << 20) * 20
    file = tmp_path / "upload"
    file.write_bytes(content)
    owed(proxy, way)
    options = ["-H", "Transfer-Encoding: chunked"] if chunked else []

    done = curl(proxy, *route(proxy, way), "-T", str(file), *options, url(proxy, way, "/upload"))

    assert done.stdout.decode() == f"{len(content)} {hashlib.sha256(content).hexdigest()}"
    proxy.internet.allowed_tls.connections.clear()
    proxy.internet.allowed.connections.clear()


@pytest.mark.parametrize("way", [Way.HTTPS, Way.CONNECT_TLS], ids=lambda way: way.name.lower())
def test_a_large_download_arrives_whole(proxy: RunningProxy, way: Way) -> None:
    owed(proxy, way, 2)

    done = curl(
        proxy, *route(proxy, way), "-o", "/dev/null", "-o", "/dev/null", "-w", "%{size_download} ",
        url(proxy, way, "/big/20000000"), url(proxy, way, "/chunked/20000000"),
    )  # fmt: skip

    assert done.stdout == b"20000000 20000000 "


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.name.lower())
def test_a_client_that_waits_for_100_is_told_to_go_on(proxy: RunningProxy, way: Way) -> None:
    owed(proxy, way)

    done = curl(
        proxy, *route(proxy, way), "--expect100-timeout", "10", "-H", "Expect: 100-continue", "-m", "5",
        "-d", "hello", url(proxy, way, "/upload"),
    )  # fmt: skip

    assert done.stdout.startswith(b"5 ")


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.name.lower())
@pytest.mark.parametrize("status", ["204", "304"])
def test_answers_without_a_body_leave_the_connection_fit(proxy: RunningProxy, way: Way, status: str) -> None:
    owed(proxy, way, 3)

    done = curl(
        proxy, *route(proxy, way), "-w", "%{http_code}:%{num_connects} ",
        url(proxy, way, f"/code/{status}"), url(proxy, way, "/code/200"), url(proxy, way, "/"),
    )  # fmt: skip

    first, second, third = (
        part.split(":") for part in done.stdout.decode().replace("status", "").replace("ok\n", "").split()
    )
    assert (first[0], second[0], third[0]) == (status, "200", "200")
    assert (second[1], third[1]) == ("0", "0"), "the connection was not kept"


def test_head_has_the_length_and_no_body(proxy: RunningProxy) -> None:
    proxy.internet.allowed.raw_replies["head"] = RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", Then.KEEP)
    owed(proxy, Way.HTTP, 2)

    done = curl(
        proxy, *route(proxy, Way.HTTP), "-I", url(proxy, Way.HTTP, "/raw/head"), url(proxy, Way.HTTP, "/code/200")
    )

    assert b"Content-Length: 1234\r\n" in done.stdout
    assert done.returncode == 0


# --- routed by DNS alone --------------------------------------------------------------------------------------------

NETNS = f"iron-proxy-test-{os.getpid()}"


def _may_make_namespaces() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None and Path("/proc/self/ns/net").exists()


@pytest.fixture
def namespace(proxy: RunningProxy) -> Iterator[str]:
    """A network namespace with loopback up, whose resolv.conf names the proxy's address."""
    made = subprocess.run(["ip", "netns", "add", NETNS], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine does not allow network namespaces: {made.stderr.decode().strip()}")
    resolv = Path("/etc/netns") / NETNS / "resolv.conf"
    resolv.parent.mkdir(parents=True)
    resolv.write_text("nameserver 127.0.0.1\n")
    try:
        subprocess.run(["ip", "-n", NETNS, "link", "set", "lo", "up"], check=True)
        yield NETNS
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False)
        shutil.rmtree(resolv.parent)


@pytest.mark.root
@pytest.mark.skipif(not _may_make_namespaces(), reason="network namespaces need root and the ip program")
def test_with_dns_alone_a_client_that_knows_nothing_of_the_proxy_goes_through_it(
    proxy: RunningProxy, namespace: str, tmp_path: Path
) -> None:
    """The proxy has ports 53, 80 and 443 there; the origin is a second address, known to the proxy's resolver only."""
    internet = proxy.internet
    origin = tmp_path / "origin.py"
    internet.ca.issue_cert("routed.test").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "origin.pem"))
    origin.write_text(ORIGIN.format(pem=str(tmp_path / "origin.pem"), root=str(Path.cwd())))
    with subprocess.Popen(
        ["ip", "netns", "exec", namespace, proxy_python(), str(origin)], stdout=subprocess.PIPE, text=True
    ) as origins:
        assert origins.stdout is not None
        resolver = origins.stdout.readline().strip()
        inner = RunningProxy(
            base_config(
                internet, proxy.ca,
                dns={"listen": "127.0.0.1:53", "proxy_ip": "127.0.0.1", "upstream_resolver": resolver},
                proxy__http_listen="127.0.0.1:80", proxy__https_listen="127.0.0.1:443",
                transforms=[{"name": "allowlist", "config": {"domains": ["routed.test"]}}],
            ),
            tmp_path, internet, proxy.ca,
        )  # fmt: skip
        inner.prefix = ["ip", "netns", "exec", namespace]
        try:
            inner.start()
            allowed = [curl(inner, f"{scheme}://routed.test/x", netns=namespace) for scheme in ("http", "https")]
            denied = curl(inner, "-w", "%{http_code}", "https://denied.test/", netns=namespace)
            inner.started = 3
            records = inner.new_records()
        finally:
            inner.kill()
            origins.kill()

    assert [done.stdout for done in allowed] == [b"origin /x", b"origin /x"], allowed
    assert denied.stdout == b"403"
    assert [(record["host"], record["action"]) for record in records] == [
        ("routed.test", "allow"), ("routed.test", "allow"), ("denied.test", "reject"),
    ]  # fmt: skip
    assert json.dumps(records)
    assert split_address(resolver)


def proxy_python() -> str:
    return sys.executable


ORIGIN = """
import asyncio, http.server, ssl, sys, threading
sys.path.insert(0, {root!r})
from tests.fakes.dns_upstream import FakeDNSUpstream

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"origin " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({pem!r})
for port in (80, 443):
    server = http.server.ThreadingHTTPServer(("127.0.1.1", port), Answer)
    if port == 443:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

async def main():
    async with FakeDNSUpstream({{"routed.test": ["127.0.1.1"]}}) as names:
        print(names.address, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
