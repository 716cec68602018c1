"""A new configuration under a running proxy: what changes with it, and who may ask for it."""

import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
import trustme
from tests.conftest import Fresh
from tests.fakes.configurations import allowlist
from tests.fakes.management_client import ENVIRONMENT, KEY, MANAGEMENT, ONLY_RULES, call, reload, reload_with, rewrite
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request
from tests.fakes.wire_client import Way, connect, way_id

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

@pytest.fixture
def proxy(fresh_proxy: Fresh) -> RunningProxy:
    return fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)


def listeners(proxy: RunningProxy) -> dict[str, tuple[str, int]]:
    told: dict[str, str] = call(proxy, "GET", "/v1/status").json["listeners"]
    return {name: (host, int(port)) for name, (host, _, port) in ((n, t.rpartition(":")) for n, t in told.items())}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS, Way.SOCKS_TLS], ids=way_id)
def test_the_next_request_is_judged_by_the_new_policy_also_on_an_open_connection(
    proxy: RunningProxy, way: Way
) -> None:
    raw = request("/", proxy.authority(way, "ok.test"))
    with proxy.open(way, "ok.test") as session:
        statuses = []
        for changes in ({}, ONLY_RULES, {}):
            reload_with(proxy, **changes)
            proxy.started += 1
            session.send(raw)
            statuses.append(session.read_answer("GET").status)

    assert statuses == [200, 403, 200]
    proxy.settle()
    assert [line["generation"] for line in proxy.records() if line["method"] == "GET"] == [2, 3, 4]


def test_every_block_takes_effect(proxy: RunningProxy) -> None:
    reload_with(proxy, proxy__upstream_deny_cidrs=["127.0.0.0/8"])
    assert proxy.ask(Way.HTTP).status == 502
    reload_with(proxy, transforms=[], proxy__default_action="allow")
    assert proxy.ask(Way.HTTP, host="ok.test").status == 200
    reload_with(proxy, proxy__require_client=True, clients=[{"name": "ci", "cidrs": ["192.0.2.0/24"]}])
    assert proxy.ask(Way.HTTP).status == 403
    reload_with(proxy, proxy__denial_body="explain")
    assert b"not-allowed.test" in proxy.ask(Way.HTTP, host="not-allowed.test").body
    reload_with(proxy, tls__passthrough=["ok.test"])
    assert handshake_mode(proxy) == "passthrough"
    reload_with(proxy, log={"level": "debug"})
    proxy.ask(Way.HTTP)
    reload_with(proxy, log={"level": "error"})
    lines = len(proxy.lines)
    reload_with(proxy, log={"level": "info"})
    told = [line["msg"] for line in proxy.parsed(lines) if "event" not in line]
    assert told == ["pipeline reloaded via management API", "management reload succeeded"]


def handshake_mode(proxy: RunningProxy) -> str:
    """What became of a TLS connection for an allowed name: the mode in its record."""
    proxy.started += 1
    with pytest.raises(ssl.SSLError), connect(proxy.addresses["https"]) as sock:  # the certificate is not our CA's
        proxy.ca.client_context().wrap_socket(sock, server_hostname="ok.test")
    proxy.settle()
    return str(proxy.records()[-1]["mode"])


def test_dns_answers_by_the_new_records_and_moves(proxy: RunningProxy) -> None:
    def ask(name: str, record_type: str = "A") -> list[str]:
        host, port = listeners(proxy)["dns"]
        answer = dns.query.udp(dns.message.make_query(name, record_type), host, 5, port)
        return [rdata.to_text() for found in answer.answer for rdata in found] or [dns.rcode.to_text(answer.rcode())]

    before, place = ask("a.test"), listeners(proxy)["dns"]
    reload_with(proxy, dns__proxy_ip="192.0.2.7", dns__records=[{"name": "t.test", "type": "TXT", "value": "x"}])
    after, same = ask("a.test"), listeners(proxy)["dns"]
    text = ask("t.test", "TXT")
    reload_with(proxy, dns__mode="strict")
    strict = ask("a.test")
    reload_with(proxy, dns__listen=f"127.0.0.1:{(port := free_port())}")
    moved = ask("ok.test")
    reload_with(proxy, dns={"enabled": False})

    assert (before, after, text, strict, moved) == (["127.0.0.1"], ["192.0.2.7"], ['"x"'], ["NXDOMAIN"], ["127.0.0.1"])
    assert place == same != ("127.0.0.1", port)
    assert "dns" not in listeners(proxy)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))  # it is free again


def test_listeners_come_and_go(proxy: RunningProxy) -> None:
    port = free_port()
    old = proxy.addresses["http"]
    with proxy.open(Way.HTTP, "ok.test") as kept:
        reload_with(proxy, proxy__http_listen=f"127.0.0.1:{port}", proxy__tunnel_listen=None)
        assert listeners(proxy)["http"] == ("127.0.0.1", port)
        assert "tunnel" not in listeners(proxy)
        for gone in (old, proxy.addresses["tunnel"]):
            with pytest.raises(ConnectionRefusedError):
                connect(gone)
        proxy.started += 1
        kept.send(request("/", proxy.authority(Way.HTTP, "ok.test")))
        assert kept.read_answer("GET").status == 200  # what was open goes on
    proxy.addresses["http"] = ("127.0.0.1", port)
    assert proxy.ask(Way.HTTP).status == 200

    reload_with(proxy)
    proxy.addresses.update(listeners(proxy))
    assert proxy.ask(Way.CONNECT_TLS).status == 200


def test_a_port_in_use_refuses_the_whole_reload(proxy: RunningProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        rewrite(proxy, proxy__http_listen=f"127.0.0.1:{free_port()}", transforms=[],
                proxy__tunnel_listen=f"127.0.0.1:{taken.getsockname()[1]}")  # fmt: skip
        answer = reload(proxy)

    assert answer.status == 422
    assert "proxy.tunnel_listen" in answer.json["error"]
    assert {name: listeners(proxy)[name] for name in ("http", "tunnel")} == {
        name: proxy.addresses[name] for name in ("http", "tunnel")
    }
    assert proxy.ask(Way.HTTP).status == 200


def test_another_ca_signs_from_now_on_and_the_same_one_keeps_its_leaves(proxy: RunningProxy, tmp_path: Path) -> None:
    def leaf() -> bytes:
        with connect(proxy.addresses["https"]) as sock, context.wrap_socket(sock, server_hostname="ok.test") as tls:
            return tls.getpeercert(binary_form=True) or b""

    context = proxy._context
    first = leaf()
    reload_with(proxy)
    second = leaf()
    authority = trustme.CA()
    other = ProxyCA(tmp_path / "other.crt", tmp_path / "other.key")
    authority.cert_pem.write_to_path(str(other.certificate))
    authority.private_key_pem.write_to_path(str(other.key))
    reload_with(proxy, tls={"ca_cert": str(other.certificate), "ca_key": str(other.key)})
    context = other.client_context()

    assert first == second != leaf()


def test_a_key_that_a_launcher_deleted_is_not_missed(fresh_proxy: Fresh, tmp_path: Path, proxy_ca: ProxyCA) -> None:
    ca = ProxyCA(tmp_path / "ca.crt", tmp_path / "ca.key")
    ca.certificate.write_bytes(proxy_ca.certificate.read_bytes())
    ca.key.write_bytes(proxy_ca.key.read_bytes())
    tls = {"ca_cert": str(ca.certificate), "ca_key": str(ca.key)}
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT, tls=tls)
    ca.key.unlink()

    answer = reload_with(proxy, tls=tls)

    assert [left["key"] for left in answer["not_reloaded"]] == ["tls.ca_key"]
    assert proxy.ask(Way.HTTPS).status == 200
    rewrite(proxy, tls={**tls, "ca_cert": str(proxy_ca.certificate)})
    assert reload(proxy).status == 422


def test_a_new_value_in_a_secrets_file_is_used(fresh_proxy: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first-value-of-it")
    entry = {"source": {"type": "file", "path": str(file)}, "rules": [{"host": "ok.test"}],
             "inject": {"header": "X-Key", "formatter": "{{ .Value }}"}}  # fmt: skip
    transforms = [allowlist(), {"name": "secrets", "config": {"secrets": [entry]}}]
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT, transforms=transforms)
    proxy.ask(Way.HTTPS, "/one")
    file.write_text("second-value-of-it")
    reload_with(proxy, transforms=transforms)
    proxy.ask(Way.HTTPS, "/two")

    sent = [each.get_all(b"x-key") for each in proxy.arrived()]
    assert sent == [[b"first-value-of-it"], [b"second-value-of-it"]]


@pytest.mark.parametrize("how", ["SIGHUP", "command", "command with -url"])
def test_other_ways_to_ask(proxy: RunningProxy, how: str, tmp_path: Path) -> None:
    host, port = proxy.addresses["management"]
    rewrite(proxy, **ONLY_RULES)
    if how == "SIGHUP":
        proxy.process.send_signal(signal.SIGHUP)
        proxy.wait_for_event("reload")
    else:
        described = tmp_path / "where.yaml"
        described.write_text(f"management: {{listen: '{host}:{port}'}}\n")
        place = ["-config", str(described)] if how == "command" else ["-url", f"http://{host}:{port}"]
        ended = subprocess.run(
            [sys.executable, "-m", "iron_proxy", "reload", *place],
            env={**proxy.environment, "IRON_MANAGEMENT_API_KEY": KEY}, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "reloaded: policy generation 2\n", "")

    assert proxy.ask(Way.HTTP).status == 403


def test_sighup_with_a_broken_file_is_told_in_the_log(proxy: RunningProxy) -> None:
    proxy.file.write_text("transforms: [{name: alowlist}]\n")
    proxy.process.send_signal(signal.SIGHUP)

    event = proxy.wait_for_event("reload")

    assert (event["action"], event["reload"]["by"]) == ("reject", "SIGHUP")
    assert proxy.wait_for(lambda line: line["msg"].startswith("reload refused"))["problems"]
    assert proxy.ask(Way.HTTP).status == 200
