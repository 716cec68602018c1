"""TUN-17, TUN-21, AUD-09, OS-11: whatever ends, and however it ends, leaves one record and nothing else."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from time import monotonic

import pytest
from tests.attack.test_upgrades import UPGRADE
from tests.conftest import Fresh
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import (
    ProxyCA,
    RunningProxy,
    command,
    process_environment,
    request,
    write_configuration,
)
from tests.fakes.waiting import wait_until
from tests.fakes.wire_client import Session, Way

TUNNELS = tuple(way for way in Way if way.is_tunnel)
PLAIN_TUNNELS = (Way.CONNECT_PLAIN, Way.SOCKS_PLAIN)


def close(session: Session) -> None:
    session.close()


def reset(session: Session) -> None:
    session.reset()


def half_close(session: Session) -> None:
    session.end()
    session.read_to_end()
    session.close()


@pytest.mark.slow
def test_tun_17_tunnels_that_end_in_every_way_leave_no_descriptor(proxy: RunningProxy) -> None:
    before = proxy.descriptors()
    for round_number in range(30):
        for end in (close, reset, half_close):
            for way in TUNNELS:
                used = proxy.open(way, "ok.test")
                proxy.started += 1
                used.send(request(f"/{round_number}", proxy.authority(way, "ok.test"), headers="Connection: close\r\n"))
                assert used.read_answer().status == 200
                end(used)
            for way in PLAIN_TUNNELS:  # before a byte of the inner protocol
                end(proxy.open(way, "ok.test"))

    # Idle connections to the origin stay: some, not one per tunnel.
    wait_until(lambda: proxy.descriptors() < before + 40, 15.0, pause=0.001)


@pytest.mark.slow
def test_tun_21_aud_09_a_stop_with_everything_in_flight_loses_no_record(
    fresh_proxy: Fresh, internet: Internet
) -> None:
    proxy = fresh_proxy(proxy__upstream_response_header_timeout="60s")
    held, waiting = [], []
    for number, way in enumerate(TUNNELS * 3):
        held.append(begun(proxy, way, f"/hold/stop-{number}", b"first"))
    for way in Way:
        waiting.append(begun(proxy, way, "/ws", b"101 ", headers=UPGRADE))
        waiting.append(proxy.open(way, "ok.test"))  # idle
        events = proxy.open(way, "ok.test")
        proxy.started += 1
        events.send(request("/sse", proxy.authority(way, "ok.test")))
        waiting.append(events)
    started = monotonic()

    proxy.process.send_signal(signal.SIGTERM)
    proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
    for number, way in enumerate(TUNNELS * 3):
        (internet.allowed_tls if way.is_tls else internet.allowed).release(f"stop-{number}")
    rests = [session.read_to_end() for session in held]

    assert rests == [b"-last"] * len(held)
    assert proxy.wait_for_exit(12) == 0
    assert monotonic() - started < 11.5
    assert len(proxy.records()) == proxy.started
    finished = [each for each in proxy.records() if str(each["path"]).startswith("/hold/")]
    assert {each["action"] for each in finished} == {"allow"}


def begun(proxy: RunningProxy, way: Way, path: str, sign: bytes, headers: str = "") -> Session:
    """An exchange whose answer has begun."""
    session = proxy.open(way, "ok.test")
    proxy.started += 1
    session.send(request(path, proxy.authority(way, "ok.test"), headers=headers))
    while sign not in session.received:
        assert session.read()
    return session


@pytest.mark.slow
def test_os_11_a_signal_during_the_start_leaves_whole_lines_and_no_process(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    file = write_configuration(tmp_path, base_config(internet, proxy_ca))
    for milliseconds in range(0, 400, 40):
        for number in (signal.SIGTERM, signal.SIGINT):
            with subprocess.Popen(
                command(file), env=process_environment(internet, None), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            ) as process:  # fmt: skip
                wait_until_main_runs(process.pid)
                time.sleep(milliseconds / 1000)  # the moment is what is tried
                process.send_signal(number)
                _, said = process.communicate(timeout=15)
            assert process.returncode in (0, -number, 128 + number), said
            assert all(isinstance(json.loads(line), dict) for line in said.splitlines())


def wait_until_main_runs(pid: int) -> None:
    """Python starts with a handler of its own for control-C, which `main` takes away first of all."""
    wait_until(lambda: takes_interrupts(pid), 15.0, pause=0.001)
    wait_until(lambda: not takes_interrupts(pid), 15.0, pause=0.001)


def takes_interrupts(pid: int) -> bool:
    """Whether the process has a handler for SIGINT."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGINT - 1) & 1)


@pytest.mark.slow
def test_os_11_a_pause_is_no_timeout(proxy: RunningProxy, internet: Internet) -> None:
    """Stopped for longer than the origin has for its answer, which came meanwhile."""
    session = begun_request(proxy, "/withheld/pause")

    os.kill(proxy.process.pid, signal.SIGSTOP)
    internet.allowed.release("pause")
    time.sleep(3.5)  # of `upstream_response_header_timeout`: 2s
    os.kill(proxy.process.pid, signal.SIGCONT)
    answer = session.read_answer()

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert proxy.last_record()["action"] == "allow"


def begun_request(proxy: RunningProxy, path: str) -> Session:
    """A request that has reached its origin."""
    session = proxy.open(Way.HTTP, "ok.test")
    proxy.started += 1
    session.send(request(path, proxy.authority(Way.HTTP, "ok.test")))
    proxy.wait_for_arrival(Way.HTTP, path)
    return session
