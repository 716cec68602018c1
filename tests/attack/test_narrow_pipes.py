"""WS-12, WS-14, DNS-09, DOS-10: peers that take little at a time, names that never answer, patterns that never end."""

import hashlib
import os
import socket
import subprocess
import threading
from pathlib import Path
from time import monotonic

import pytest
from tests.attack.test_upgrades import UPGRADE
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import (
    ProxyCA,
    RunningProxy,
    command,
    process_environment,
    request,
    write_configuration,
)
from tests.fakes.wire_client import Session, Way, way_id

SIZE = 300_000


def resident_kilobytes(proxy: RunningProxy) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def threads(proxy: RunningProxy) -> int:
    return len(os.listdir(f"/proc/{proxy.process.pid}/task"))


def narrow(session: Session) -> None:
    """Small buffers of the kernel: nearly every write is a partial one."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        session.sock.setsockopt(socket.SOL_SOCKET, option, 8192)


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS, Way.CONNECT_TLS, Way.SOCKS_PLAIN], ids=way_id)
def test_ws_14_partial_writes_lose_and_double_nothing(proxy: RunningProxy, way: Way) -> None:
    content = os.urandom(SIZE)
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        narrow(session)
        proxy.started += 2
        sender = threading.Thread(target=session.send, args=(request("/upload", host, method="POST", body=content),))
        sender.start()
        uploaded = session.read_answer("POST")
        sender.join()
        session.send(request("/big/300000", host))
        downloaded = session.read_answer()

    assert uploaded.body == f"{SIZE} {hashlib.sha256(content).hexdigest()}".encode()
    assert downloaded.body == b"x" * 300_000


@pytest.mark.parametrize("way", [Way.HTTP, Way.SOCKS_PLAIN], ids=way_id)
def test_ws_14_a_websocket_through_narrow_buffers_is_whole(proxy: RunningProxy, way: Way) -> None:
    content = os.urandom(SIZE)
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/ws", proxy.authority(way, "ok.test"), headers=UPGRADE))
        while b"\r\n\r\n" not in session.received:
            assert session.read()
        narrow(session)
        frames = b"\x82\x7f" + len(content).to_bytes(8, "big") + content
        sender = threading.Thread(target=session.send, args=(frames,))
        sender.start()
        echoed = session.read_exactly(len(frames))
        sender.join()

    assert hashlib.sha256(echoed).digest() == hashlib.sha256(frames).digest()


def test_ws_12_what_nobody_reads_is_not_held(proxy: RunningProxy) -> None:
    before = resident_kilobytes(proxy)
    stalled = []
    for way in (Way.HTTP, Way.HTTPS, Way.CONNECT_TLS):
        session = proxy.open(way, "ok.test")
        proxy.started += 1
        session.send(request("/big/200000000", proxy.authority(way, "ok.test")))
        for _ in range(50):
            assert session.read()
        stalled.append(session)
    answers = [proxy.ask(Way.HTTP).status for _ in range(20)]  # whose turns the downloads have, too

    assert answers == [200] * 20
    assert resident_kilobytes(proxy) - before < 32 * 1024
    for session in stalled:
        session.reset()


@pytest.mark.slow
def test_dns_09_names_that_never_answer_hold_up_no_other(proxy: RunningProxy) -> None:
    before = threads(proxy)
    waiting = []
    for number in range(60):
        way = (Way.HTTP, Way.HTTPS)[number % 2]
        session = proxy.open(way, "slow.test")
        proxy.started += 1
        headers = UPGRADE if number % 3 == 0 else ""
        session.send(request("/", proxy.authority(way, "slow.test"), headers=headers))
        waiting.append(session)
    started = monotonic()
    slowest = max(timed(proxy) for _ in range(20))
    grown = threads(proxy) - before
    statuses = {session.read_answer().status for session in waiting}

    assert statuses == {502}
    assert monotonic() - started < 20
    assert slowest < 2.0
    assert grown < 8


def timed(proxy: RunningProxy) -> float:
    started = monotonic()
    assert proxy.ask(Way.HTTP).status == 200
    return monotonic() - started


@pytest.mark.parametrize("pattern", ["/^(a+)+$/", "/(x|x|x)*y/"])
def test_dos_10_no_pattern_takes_long(running: Running, pattern: str) -> None:
    proxy = running(transforms=[allowlist(), {"name": "header_allowlist", "config": {"headers": [pattern]}}])
    proxy.ask(Way.HTTP)
    name = "a" * 20_000

    started = monotonic()
    answer = proxy.ask(Way.HTTP, headers=f"{name}!: x\r\n{'x' * 20_000}: x\r\n")

    assert answer.status == 200
    assert monotonic() - started < 1.0  # of backtracking the universe would see no end


@pytest.mark.parametrize("pattern", [r"/(a)\1/", "/a(?=b)/"])
def test_dos_10_what_could_not_be_linear_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, pattern: str
) -> None:
    transforms = [allowlist(), {"name": "header_allowlist", "config": {"headers": [pattern]}}]
    file = write_configuration(tmp_path, base_config(internet, proxy_ca, transforms=transforms))

    ended = subprocess.run(
        command(file), env=process_environment(internet, None), capture_output=True, text=True, timeout=20, check=False
    )

    assert ended.returncode == 2
    assert pattern.strip("/") in ended.stderr
