"""Real processes with real disks and pipes: full ones, blocked ones, and a process that is killed in the middle."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.fakes.audited_proxy import AuditedProxy, lines_in, names_in, records_in
from tests.fakes.configurations import base_config
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.running_proxy import ProxyCA, request, run_to_end
from tests.fakes.wire_client import Way

from iron_proxy.cli.audit import run as audit_command

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

Start = Callable[..., AuditedProxy]


@pytest.fixture
def start(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> Iterator[Start]:
    """Start a proxy with an `audit` block; it is killed in the end if it still runs."""
    proxies = []

    def start_one(reads: bool = True, workers: int = 1, **audit: Any) -> AuditedProxy:
        config = base_config(internet, proxy_ca, audit=audit, proxy__workers=workers)
        proxy = AuditedProxy(config, tmp_path, internet, proxy_ca, reads=reads)
        proxies.append(proxy)
        proxy.start()
        return proxy

    yield start_one
    for proxy in proxies:
        proxy.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def stop(proxy: AuditedProxy) -> int:
    proxy.may_read.set()
    proxy.process.send_signal(signal.SIGTERM)
    return proxy.wait_for_exit(20)


# --- a file ---------------------------------------------------------------------------------------------------------


def test_records_are_in_the_file_and_the_process_log_stays_where_it_was(start: Start, path: Path) -> None:
    proxy = start(output="file", file=str(path))
    assert proxy.get("a") == 200

    assert stop(proxy) == 0
    [record] = records_in(path)
    assert (record["action"], record["rule"]) == ("allow", "domains[0]")
    assert record["upstream"]["address"].startswith(f"{ALLOWED}:")
    assert record["bytes_from_upstream"] > 0
    assert not [line for line in proxy.parsed() if line["msg"] == "request"]
    assert proxy.parsed()[-1]["msg"] == "iron-proxy stopped"


def test_a_secret_that_was_sent_names_the_certificate_that_got_it(start: Start, path: Path) -> None:
    proxy = start(output="both", file=str(path))
    proxy.ask(Way.HTTPS, host="inject.test")
    proxy.ask(Way.HTTPS, host="ok.test")
    assert stop(proxy) == 0

    with_secret, without = records_in(path)
    assert with_secret["upstream"]["tls"] == "TLSv1.3"
    assert len(with_secret["upstream"]["certificate_sha256"]) == 64
    assert without["upstream"].keys() == {"address"}
    assert proxy.records() == [with_secret, without]


def test_a_signed_chain_over_rotated_files_restarts_and_a_kill_is_whole(
    start: Start, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(tmp_path / "sign")
    assert audit_command(["keygen", "-out", key]) == 0
    audit = {
        "output": "file", "file": str(path), "max_size": "64KiB", "keep": 100, "chain": True, "sign_key": f"{key}.key",
    }  # fmt: skip
    for number in range(3):
        proxy = start(**audit)
        for count in range(12):
            assert proxy.get(f"{number}-{count}", large=True) == 200
        if number == 1:
            proxy.process.kill()
            proxy.wait_for_exit()
        else:
            assert stop(proxy) == 0

    files = [str(file) for file in tmp_path.iterdir() if file.name.startswith("audit.jsonl")]
    assert len(files) > 3
    assert {os.stat(file).st_mode & 0o777 for file in files} == {0o600}
    status = audit_command(["verify", "-key", f"{key}.pub", *files])
    assert (status, capsys.readouterr().out.splitlines()[-1]) == (0, "the log is whole")


def test_a_tunnel_is_seen_while_it_is_open(start: Start, path: Path) -> None:
    proxy = start(output="file", file=str(path), session_records=True)
    with proxy.open(Way.CONNECT_PLAIN, "ok.test") as session:
        session.send(request("/id/inside", proxy.authority(Way.CONNECT_PLAIN, "ok.test")))
        session.read_answer()
        proxy.get("behind it")                     # and the inner request's record, by the next turn of the loop
        assert [(record["method"], record.get("phase")) for record in records_in(path)][:2] == [
            ("CONNECT", "open"), ("GET", None),
        ]  # fmt: skip
    assert stop(proxy) == 0

    opening, closing = (record for record in records_in(path) if record["method"] == "CONNECT")
    assert (closing["phase"], closing["request_id"]) == ("close", opening["request_id"])


# --- a pipe that nobody reads ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_aud_06_strict_a_blocked_pipe_lets_nothing_through_and_dns_and_pages_answer(start: Start) -> None:
    proxy = start(reads=False, mode="strict")
    proxy.internet.allowed.requests.clear()
    answered: list[int] = []
    started = monotonic()
    while monotonic() - started < 30:
        answered.append(proxy.get(f"{len(answered)}", large=True))
        if answered[-1] != 200:
            break
    arrived = len(proxy.internet.allowed.requests)

    assert answered[-1] == 503
    assert {proxy.get("more", large=True) for _ in range(3)} == {503}      # and now at once
    assert len(proxy.internet.allowed.requests) == arrived == len(answered) - 1
    assert proxy.get_page("/healthz")[0] == 200

    proxy.may_read.set()
    proxy.wait_for(lambda line: f"/id/{len(answered) - 2}/" in line.get("path", ""))
    assert proxy.get("after") == 200
    assert stop(proxy) == 0
    forwarded = {record["path"].split("/")[2] for record in proxy.records() if record.get("phase") == "open"}
    assert forwarded >= {str(number) for number in range(len(answered) - 1)} | {"after"}


@pytest.mark.slow
def test_aud_06_relaxed_a_blocked_pipe_costs_records_that_are_counted_and_the_loop_goes_on(start: Start) -> None:
    proxy = start(reads=False)
    requests = 1300
    with proxy.open(Way.HTTP, "ok.test") as session:
        for number in range(requests):
            session.send(request(f"/id/{number}/{'x' * 8000}", proxy.authority(Way.HTTP, "ok.test")))
            assert session.read_answer().status == 200
    assert proxy.get_page("/healthz")[0] == 200

    proxy.may_read.set()
    lost = proxy.wait_for(lambda line: line.get("action") == "lost")["audit"]["lost"]
    assert stop(proxy) == 0
    assert len(proxy.records()) + lost == requests
    assert lost > 0


def test_a_slow_reader_loses_nothing(start: Start) -> None:
    proxy = start(reads=False)
    answers: list[int] = []

    def ask() -> None:
        with proxy.open(Way.HTTP, "ok.test") as session:
            for number in range(300):
                session.send(request(f"/id/{number}/{'x' * 8000}", proxy.authority(Way.HTTP, "ok.test")))
                answers.append(session.read_answer().status)

    client = threading.Thread(target=ask)
    client.start()
    while len(answers) < 120 and client.is_alive():
        client.join(0.01)
    proxy.may_read.set()
    client.join()

    assert stop(proxy) == 0
    assert answers == [200] * 300
    assert len(proxy.records()) == 300
    assert not [line for line in proxy.parsed() if line.get("action") == "lost"]


# --- a disk that is full --------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_strict_a_full_disk_lets_nothing_through_until_there_is_room(
    start: Start, small_disk: Path, workers: int
) -> None:
    path = small_disk / "audit.jsonl"
    proxy = start(workers=workers, output="file", file=str(path), mode="strict", chain=True)
    proxy.internet.allowed.requests.clear()
    answered = [proxy.get("0", large=True)]
    while answered[-1] == 200:
        answered.append(proxy.get(f"{len(answered)}", large=True))
    assert answered[-1] == 503
    assert len(proxy.internet.allowed.requests) == len(answered) - 1
    assert names_in(records_in(path)) >= {str(number) for number in range(len(answered) - 1)}
    assert proxy.wait_for(lambda line: line["msg"] == "audit output fails")["reason"] == "no space left on device"

    enlarge(small_disk)
    proxy.wait_for(lambda line: line["msg"] == "audit output takes records again")
    assert proxy.get("after") == 200
    assert "after" in names_in(records_in(path))
    assert stop(proxy) == 0
    assert audit_command(["verify", str(path)]) == 0


@pytest.mark.root
@pytest.mark.slow
def test_relaxed_a_full_disk_stops_nothing_and_what_it_cost_is_counted(start: Start, small_disk: Path) -> None:
    path = small_disk / "audit.jsonl"
    proxy = start(output="file", file=str(path))
    requests = 1300
    with proxy.open(Way.HTTP, "ok.test") as session:
        for number in range(requests):
            session.send(request(f"/id/{number}/{'x' * 8000}", proxy.authority(Way.HTTP, "ok.test")))
            assert session.read_answer().status == 200

    enlarge(small_disk)
    proxy.wait_for(lambda line: line["msg"] == "audit output takes records again")
    assert stop(proxy) == 0
    lost = [line["audit"]["lost"] for line in lines_in(path) if line.get("action") == "lost"]
    assert len(lost) == 1
    assert len(records_in(path)) + lost[0] == requests


# --- a process that is killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", [False, True], ids=["in the kernel", "on the disk"])
@pytest.mark.parametrize("answers", [1, 50, 200])
def test_strict_what_a_client_has_received_whole_is_in_the_file_whenever_the_process_is_killed(
    start: Start, path: Path, answers: int, sync: bool
) -> None:
    proxy = start(output="file", file=str(path), mode="strict", sync=sync, chain=True)
    received: list[str] = []
    enough = threading.Event()
    proxy.internet.allowed.requests.clear()

    def ask(client: int) -> None:
        try:
            with proxy.open(Way.HTTP, "ok.test") as session:
                for number in range(10_000):
                    session.send(request(f"/id/{client}-{number}", proxy.authority(Way.HTTP, "ok.test")))
                    if session.read_answer().status == 200:
                        received.append(f"{client}-{number}")
                    if len(received) >= answers:
                        enough.set()
        except (OSError, EOFError, AssertionError):
            pass                                                 # it was killed

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    assert enough.wait(20)
    proxy.process.kill()
    for client in clients:
        client.join()
    proxy.wait_for_exit()

    recorded = names_in(records_in(path))
    assert received
    assert set(received) <= recorded
    # Nothing reached an origin that is not in the file, whether or not it was answered.
    assert {each.path.split("/")[2] for each in proxy.internet.allowed.requests} <= recorded
    assert audit_command(["verify", "-open", str(path)]) == 0


def test_a_second_process_does_not_write_the_same_file(
    start: Start, path: Path, internet: Internet, proxy_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> None:
    audit = {"output": "file", "file": str(path)}
    proxy = start(**audit)

    second = run_to_end(base_config(internet, proxy_ca, audit=audit), tmp_path_factory.mktemp("second"), internet)

    assert (second.returncode, second.stderr.splitlines()[-1]) == (
        1, f"error: audit.file: {path}: another process writes this file",
    )  # fmt: skip
    assert proxy.get("a") == 200
