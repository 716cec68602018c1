"""
kill -9 in the middle of anything: what clients received whole is in the log, which is whole, and the next start serves.

`FAULT_ROUNDS=100 pytest tests/faults/test_kills.py` tries the moments that are a matter of luck so many times.
"""

import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.attack.test_upgrades import UPGRADE
from tests.conftest import Fresh
from tests.fakes.audited_proxy import lines_in, records_in
from tests.fakes.configurations import base_config
from tests.fakes.http2_peer import speak
from tests.fakes.running_proxy import RunningProxy, request, write_configuration
from tests.fakes.wire_client import ALL_WAYS, Session, Way, way_id

from iron_proxy.cli.audit import run as audit_command

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def strict(path: Path, **more: Any) -> dict[str, Any]:
    """An `audit` block: nothing goes out that is not in the file."""
    return {"output": "file", "file": str(path), "mode": "strict", "chain": True, **more}


def kill(proxy: RunningProxy) -> None:
    proxy.process.kill()
    assert proxy.wait_for_exit() == -signal.SIGKILL


def recorded_paths(path: Path) -> set[str]:
    """The paths of all records, in the file and in those that were put aside."""
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    return {record["path"] for file in files for record in records_in(file)}


def verify(path: Path, *options: str) -> int:
    """What `iron-proxy audit verify` says of the file and those that were put aside."""
    return audit_command(["verify", *options, *(str(each) for each in path.parent.glob(f"{path.name}*"))])


# --- everything at once ---------------------------------------------------------------------------------------------


class InFlight:
    """One of everything over every way in, each stopped in its middle."""

    def __init__(self, proxy: RunningProxy, stack: ExitStack) -> None:
        self._proxy, self._stack = proxy, stack
        for way in ALL_WAYS:
            self._begin(way, self._head(way, "/killed/head")[:-9])
            self._upload(way)
            self._begin(way, self._head(way, "/ws", UPGRADE), until=b"101 ")
        self.downloads = [
            self._begin(way, self._head(way, f"/hold/{way_id(way)}"), until=b"first") for way in ALL_WAYS
        ]
        for way in (Way.CONNECT_PLAIN, Way.SOCKS_TLS):
            self._begin(way, b"")  # a tunnel without a request in it
        self._stack.enter_context(proxy.raw("https")).send(b"\x16\x03\x01\x02\x00\x01")  # a part of a handshake
        self._begin(Way.HTTP, self._head(Way.HTTP, "/killed/lookup", host="slow.test"))

    def _head(self, way: Way, path: str, headers: str = "", host: str = "ok.test") -> bytes:
        return request(path, self._proxy.authority(way, host), headers=headers)

    def _begin(self, way: Way, raw: bytes, until: bytes = b"") -> Session:
        session = self._stack.enter_context(self._proxy.open(way, "ok.test"))
        session.send(raw)
        while until not in session.received:
            assert session.read()
        return session

    def _upload(self, way: Way) -> None:
        path = f"/upload?{way_id(way)}"
        head = request(path, self._proxy.authority(way, "ok.test"), method="POST", headers="Content-Length: 100000\r\n")
        self._begin(way, head + b"x" * 50_000)
        self._proxy.wait_for_arrival(way, path)


def test_with_everything_in_flight_nothing_is_lost_that_was_whole(fresh_proxy: Fresh, path: Path) -> None:
    proxy = fresh_proxy(audit=strict(path))
    proxy.begin_test()
    whole = [f"/killed/{way_id(way)}" for way in ALL_WAYS]
    assert [proxy.ask(way, each).status for way, each in zip(ALL_WAYS, whole, strict=True)] == [200] * len(whole)

    with ExitStack() as stack:
        in_flight = InFlight(proxy, stack)
        kill(proxy)
        rests = [session.read_to_end() for session in in_flight.downloads]

    assert rests == [b""] * len(rests)  # cut, not completed
    recorded = recorded_paths(path)
    assert set(whole) <= recorded
    # Nothing reached an origin that is not in the file.
    assert {seen.path.partition("?")[0] for seen in proxy.arrived()} <= recorded
    assert not [seen.path for seen in proxy.arrived() if seen.path.startswith("/upload") and seen.is_complete]
    assert verify(path, "-open") == 0
    check_the_next_one_serves(fresh_proxy, path)


def check_the_next_one_serves(fresh_proxy: Fresh, path: Path, **audit: Any) -> None:
    """A new process with the same file serves, goes on with the chain, and ends it whole."""
    proxy = fresh_proxy(audit=strict(path, **audit))
    assert proxy.ask(Way.HTTP, "/after").status == 200
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert "/after" in recorded_paths(path)
    assert verify(path) == 0


# --- in a moment that is tried --------------------------------------------------------------------------------------


def test_right_behind_an_answer_its_record_is_there(fresh_proxy: Fresh, path: Path) -> None:
    received = []
    for number in range(ROUNDS):
        proxy, way = fresh_proxy(audit=strict(path)), ALL_WAYS[number % len(ALL_WAYS)]
        if number % 7 == 6:
            ask_over_http2(proxy, f"/round/{number}")
        else:
            assert proxy.ask(way, f"/round/{number}").body == b"ok\n"
        kill(proxy)
        received.append(f"/round/{number}")

    assert [each for each in received if each not in recorded_paths(path)] == []
    assert verify(path, "-open") == 0


def ask_over_http2(proxy: RunningProxy, path: str) -> None:
    with speak(proxy) as peer:
        assert peer.ask(path).status == 200


class Flood:
    """Clients that ask with long paths until the process is gone; `received` are those whose answers were whole."""

    def __init__(self, proxy: RunningProxy, word: str) -> None:
        self._proxy, self._word = proxy, word
        self.received: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(3)]

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(20)

    def _ask(self, client: int) -> None:
        authority = self._proxy.authority(Way.HTTP, "ok.test")
        with self._proxy.open(Way.HTTP, "ok.test") as session:
            for number in range(10_000):
                path = f"/{self._word}/{client}-{number}/{'x' * 8000}"
                session.send(request(path, authority))
                try:
                    assert session.read_answer().status == 200
                except (OSError, EOFError, AssertionError):
                    return  # it was killed
                self.received.append(path)


def test_while_files_are_put_aside_every_record_is_in_one_of_them(fresh_proxy: Fresh, path: Path) -> None:
    audit = {"max_size": "64KiB", "keep": 1000}  # eight records a file
    received: list[str] = []
    for number in range(max(2, ROUNDS // 3)):
        proxy = fresh_proxy(audit=strict(path, **audit))
        with Flood(proxy, f"aside-{number}") as flood:
            wait_for_files(path, 6 * (number + 1), flood)
            kill(proxy)
        received += flood.received

    assert len(received) > 20
    assert set(received) <= recorded_paths(path)
    assert verify(path, "-open") == 0
    check_the_next_one_serves(fresh_proxy, path, **audit)


def wait_for_files(path: Path, count: int, flood: Flood) -> None:
    """Until so many have been put aside."""
    deadline = time.monotonic() + 20
    while len(list(path.parent.glob(f"{path.name}.*"))) < count:
        assert time.monotonic() < deadline, len(flood.received)
        time.sleep(0.001)


def test_while_a_configuration_is_read_anew_the_next_start_is_as_good_as_any(fresh_proxy: Fresh, path: Path) -> None:
    for number in range(max(4, ROUNDS // 4)):
        proxy = fresh_proxy(audit=strict(path))
        changes = {"audit": strict(path), "proxy__upstream_response_header_timeout": f"{2000 + number}ms"}
        write_configuration(proxy.directory, base_config(proxy.internet, proxy.ca, **changes))
        proxy.process.send_signal(signal.SIGHUP)
        time.sleep(number % 5 * 0.01)  # the moment is what is tried: a reload takes some 20 ms
        kill(proxy)

    check_the_next_one_serves(fresh_proxy, path)
    assert [line for line in lines_in(path) if line.get("event") == "audit"]
