"""AUD: one line per request, whatever happens to it, and nothing a client sends can forge or tear one."""

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from tests.conftest import Fresh, Running
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import (
    ProxyCA,
    RunningProxy,
    command,
    process_environment,
    request,
    run_to_end,
    write_configuration,
)
from tests.fakes.wire_client import ALL_WAYS, Way, way_id


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("host", "path", "action", "status", "level"),
    [
        ("ok.test", "/code/204", "allow", 204, "INFO"),
        ("ok.test", "/code/500", "allow", 500, "INFO"),
        ("rules.test", "/forbidden", "reject", 403, "WARN"),
        ("nx.test", "/", "error", 502, "ERROR"),
    ],
)
def test_aud_01_each_outcome_has_its_words(
    proxy: RunningProxy, way: Way, host: str, path: str, action: str, status: int, level: str
) -> None:
    answer = proxy.ask(way, path, host=host)

    record = proxy.last_record()
    assert answer.status == status
    assert (record["action"], record["status_code"], record["level"]) == (action, status, level)
    assert ("error" in record, "rejected_by" in record) == (action == "error", action == "reject")


NASTY = [
    '/%0d%0a{"msg":"request"}', "/%0a", "/%1b[31m", "/%e2%80%a8", "/%ff", "/%ed%a0%80", '/%22%5c"\\x', "/\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("path", NASTY)
def test_aud_02_nothing_in_a_path_breaks_out_of_its_line(proxy: RunningProxy, way: Way, path: str) -> None:
    raw = f"GET {path} HTTP/1.1\r\nHost: {proxy.authority(way, 'ok.test')}\r\n\r\n".encode("latin-1")

    proxy.exchange(way, raw)

    record = proxy.last_record()
    assert record["path"].startswith("/")
    with proxy._arrived:
        line = proxy.lines[-1]
    assert not [character for character in line.rstrip("\n") if ord(character) < 0x20]


@pytest.mark.parametrize("host", [b'ok.test"}', b"\x1b[31m", b"\xff\xfe", b"\xe2\x80\xa8"])
def test_aud_02_a_malformed_host_is_recorded_as_text(proxy: RunningProxy, host: bytes) -> None:
    proxy.exchange(Way.HTTP, b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)

    assert proxy.last_record()["host"] in (host.decode("utf-8", "replace"), "")


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET /../x HTTP/1.1\r\nHost: ok.test\r\n\r\n", id="dot segments"),
        pytest.param(b"nonsense\r\n\r\n", id="malformed"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: wild.test:1\r\nX", id="cut in the head"),
    ],
)
def test_aud_04_what_never_became_a_request_has_a_record_too(proxy: RunningProxy, way: Way, raw: bytes) -> None:
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(raw)
        session.end()
        session.read_to_end()

    record = proxy.last_record()
    assert record["action"] in ("reject", "client_cancel")


def test_aud_04_a_failed_handshake_has_a_record(proxy: RunningProxy) -> None:
    with proxy.raw("https") as session:
        session.send(b"\x16\x03\x01\x00\x05hello")
        session.end()
        session.read_to_end()

    event = proxy.wait_for_event("handshake")
    assert (event["action"], event["remote_addr"].split(":")[0]) == ("reject", "127.0.0.1")


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "statuses"), [("relaxed", {200}), ("strict", {503})])
@pytest.mark.parametrize("log", ["/dev/full", "closed"])
def test_aud_06_a_log_that_takes_nothing_stops_no_process_and_in_strict_mode_every_request(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, mode: str, statuses: set[int], log: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    config = base_config(internet, proxy_ca, audit={"mode": mode}, proxy__http_listen=f"{address[0]}:{address[1]}")
    config |= {"dns": {"enabled": False, "upstream_resolver": internet.dns.address}, "metrics": {"listen": "off"}}
    before = len(internet.allowed.requests)
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            command(write_configuration(tmp_path, config)), env=process_environment(internet, None),
            stderr=full, preexec_fn=(lambda: os.close(2)) if log == "closed" else None,
        )  # fmt: skip
    try:
        while not is_listening(address):
            assert process.poll() is None
        assert {status_of_a_get(address, internet) for _ in range(3)} == statuses
        assert (len(internet.allowed.requests) > before) == (mode == "relaxed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


def status_of_a_get(address: tuple[str, int], internet: Internet) -> int:
    with socket.create_connection(address, 10) as sock:
        sock.sendall(request("/", f"ok.test:{internet.plain_port}", headers="Connection: close\r\n"))
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return int(answer.split()[1])


@pytest.mark.parametrize("level", ["warn", "error"])
def test_aud_11_the_log_level_does_not_filter_audit(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, level: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    config = base_config(internet, proxy_ca, log={"level": level}, proxy__http_listen=f"{address[0]}:{address[1]}")
    proxy = RunningProxy(config, tmp_path, internet, proxy_ca)
    try:
        proxy.start(until=lambda: is_listening(address))  # its start-up lines are filtered
        proxy.addresses = {"http": address}
        answer = proxy.ask(Way.HTTP)
        record = proxy.last_record()
    finally:
        proxy.kill()

    assert answer.status == 200
    assert (record["level"], record["action"]) == ("INFO", "allow")
    assert not [line for line in proxy.parsed() if line["msg"].endswith("starting")]


def is_listening(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_aud_12_a_client_that_breaks_off_is_recorded_once(proxy: RunningProxy, way: Way) -> None:
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/slow", proxy.authority(way, "ok.test")))
        proxy.wait_for_arrival(way, "/slow")
        session.reset()

    record = proxy.last_record()
    assert (record["action"], record["status_code"], record["level"]) == ("client_cancel", 200, "INFO")
    assert "error" not in record


@pytest.mark.slow
def test_aud_12_a_client_that_closes_is_recorded_once(running: Running) -> None:
    proxy = running(proxy__upstream_response_header_timeout="30s")
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 1
        session.send(request("/slow", proxy.authority(Way.HTTP, "ok.test")))
        proxy.wait_for_arrival(Way.HTTP, "/slow")

    assert proxy.last_record()["action"] == "client_cancel"


def test_aud_19_many_requests_at_once_leave_one_whole_line_each(proxy: RunningProxy) -> None:
    clients, requests = 50, 20
    failures: list[Exception] = []

    def client(number: int) -> None:
        try:
            with proxy.open(Way.HTTP, "ok.test") as session:
                for count in range(requests):
                    session.send(request(f"/id/{number}/{count}", proxy.authority(Way.HTTP, "ok.test")))
                    assert session.read_answer().status == 200
        except Exception as error:
            failures.append(error)

    proxy.started += clients * requests
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    paths = [record["path"] for record in proxy.new_records()]
    assert len(paths) == len(set(paths)) == clients * requests


@pytest.mark.parametrize("key", ["proxy__http_listen", "proxy__https_listen", "proxy__tunnel_listen", "metrics", "dns"])
def test_aud_20_a_port_in_use_stops_the_start(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        datagrams.bind(taken.getsockname())
        value: object = address
        if key in ("metrics", "dns"):
            value = {"listen": address, **({"proxy_ip": "127.0.0.1"} if key == "dns" else {})}

        ended = run_to_end(base_config(internet, proxy_ca, **{key: value}), tmp_path, internet)

    assert ended.returncode == 1
    assert f"{address}: address already in use" in ended.stderr
    assert key.replace("__", ".").split(".")[0] in ended.stderr


def test_the_nested_schema_groups_the_same_facts(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(log={"level": "info", "audit_schema": "v0.46"})
    proxy.ask(Way.HTTPS)
    proxy.ask(Way.HTTP, host="other.test")

    allowed, rejected = proxy.new_records()

    assert list(allowed["audit"]) == [
        "host", "method", "path", "remote_addr", "sni", "mode", "action", "status_code", "duration_ms",
    ]  # fmt: skip
    assert [trace["action"] for trace in allowed["request_transforms"]] == ["allow", "allow"]
    assert (rejected["audit"]["action"], rejected["rejected_by"]) == ("reject", "allowlist")
    assert json.dumps(allowed)
