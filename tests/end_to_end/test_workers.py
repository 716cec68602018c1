"""Several workers: one proxy to everybody outside, also when one of them dies, and one configuration in all of them."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fresh
from tests.end_to_end.test_metrics import scrape
from tests.fakes.configurations import allowlist, base_config, secrets
from tests.fakes.internet import Internet
from tests.fakes.management_client import ENVIRONMENT, KEY, MANAGEMENT, ONLY_RULES, call, reload, rewrite
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.waiting import wait_until
from tests.fakes.wire_client import ALL_WAYS, Way
from tests.fakes.worked_proxy import (
    LONG,
    Load,
    environment_of_transforms,
    hold_all_workers,
    is_gone,
    pids_of,
    workers_of,
)
from tests.unit.management.test_metrics_page import labels

from iron_proxy.cli.audit import run as audit_command

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

# Builds in a supervisor; in a worker it does what a file says, as a secret does that only one process cannot read.
MODULE = '''
import os, sys
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE

class Moody:
    name = "moody"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section, context):
        breaks, where = section.boolean("breaks"), section.text("in")
        if breaks and "iron_proxy.workers.worker" in sys.modules and where in ("", sys.argv[2]):
            section.problem("breaks", "not in this process")

    async def on_request(self, exchange):
        return CONTINUE
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moody-transforms")
    (folder / "moody.py").write_text(MODULE)
    return folder


def moody(**settings: Any) -> dict[str, Any]:
    return {"name": "python", "config": {"class": "moody:Moody", "config": settings}}


@pytest.fixture
def proxy(fresh_proxy: Fresh) -> RunningProxy:
    return fresh_proxy(proxy__workers=2, management=MANAGEMENT, env=ENVIRONMENT)


# --- one proxy ------------------------------------------------------------------------------------------------------


def test_it_is_one_proxy_to_those_who_ask_it(proxy: RunningProxy) -> None:
    for way in ALL_WAYS:
        assert proxy.ask(way).status == 200
    hold_all_workers(proxy, 2)
    for _ in range(6):
        assert proxy.ask(Way.HTTPS).status == 200
    proxy.settle()

    found = scrape(proxy)
    status = call(proxy, "GET", "/v1/status").json
    assert sum(n for (name, _), n in found.items() if name == "requests_total") == len(proxy.records())
    # Signed once, whichever workers served it; and no worker has the key to sign with.
    assert found["leaf_certificates_total", labels()] == found["leaf_cache_entries", labels()] == 1
    assert found["workers", labels()] == 2
    assert found["tls_handshakes_total", labels(side="client", result="ok", version="TLSv1.3")] >= 6
    assert sum(n for (name, _), n in found.items() if name == "upstream_requests_total") >= 6
    assert found["audit_records_total", labels()] == status["audit"]["emitted"] == len(proxy.records())
    assert [(each["worker"], each["state"], each["generation"]) for each in status["workers"]] == [
        (1, "serving", 1), (2, "serving", 1),
    ]  # fmt: skip
    assert sorted(each["pid"] for each in status["workers"]) == pids_of(proxy)
    assert status["connections"] == found["connections", labels()] == sum(w["connections"] for w in status["workers"])
    assert status["listeners"].keys() == {"dns", "http", "https", "tunnel", "metrics", "management"}
    told = [line["msg"] for line in proxy.parsed()]
    once = ("http proxy starting", "upstream deny list active", "iron-proxy starting")
    assert [told.count(each) for each in once] == [1, 1, 1]


def test_the_audit_stream_tells_of_all_workers(proxy: RunningProxy) -> None:
    host, port = proxy.addresses["management"]
    with socket.create_connection((host, port), 10) as watcher, watcher.makefile("rb") as lines:
        head = f"GET /v1/audit/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        watcher.sendall(head.encode())
        while b": records from here on" not in lines.readline():
            pass
        prefixes: set[str] = set()
        asked = 0
        while len(prefixes) < 2:
            proxy.ask(Way.HTTP, path=f"/{asked}")
            asked += 1
            while not (line := lines.readline()).startswith(b"data: "):
                pass
            record = json.loads(line.removeprefix(b"data: "))
            assert record["path"] == f"/{asked - 1}"
            prefixes.add(record["request_id"].partition("-")[0])


def test_one_process_knows_nothing_of_workers() -> None:
    program = (
        "import sys; import iron_proxy.cli.serve, iron_proxy.runtime.serving, iron_proxy.runtime.metrics_part; "
        "print([name for name in sys.modules if name.startswith('iron_proxy.workers')])"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"


# --- a worker dies --------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_reported_and_comes_back(proxy: RunningProxy) -> None:
    with Load(proxy) as load:
        load.goes_on(20)
        scrape(proxy)
        victim = workers_of(proxy)[0]
        os.kill(victim["pid"], signal.SIGKILL)
        proxy.wait_for(lambda line: line["msg"] == "worker serves again", 60)
        load.goes_on(20)
        # Nobody has been refused: what waited in the dead one's socket was served by its successor.
        in_flight = len(load.failures)
        second = workers_of(proxy)[0]
        os.kill(second["pid"], signal.SIGKILL)
        start = len(proxy.lines)
        load.goes_on(20)
        proxy.wait_for(lambda line: line["msg"] == "worker serves again", 60, start)
        load.goes_on(10)

    # Each of three clients may have lost what was in flight, at each death; of the second one, what waited as well.
    assert in_flight <= 3
    assert len(load.failures) <= 9
    assert victim["pid"] != second["pid"]
    events = [line for line in proxy.parsed() if line.get("event") == "worker"]
    assert [(each["action"], each["reason"], each["worker"]["number"], each["worker"]["pid"]) for each in events] == [
        ("error", "killed by SIGKILL", 1, victim["pid"]), ("error", "killed by SIGKILL", 1, second["pid"]),
    ]  # fmt: skip
    assert [each["worker"]["restart_in_seconds"] for each in events] == [0.0, 0.5]
    assert [each["restarts"] for each in workers_of(proxy)] == [2, 0]
    found = scrape(proxy)
    assert found["worker_restarts_total", labels()] == 2
    assert found["workers", labels()] == 2
    assert found["events_total", labels(event="worker", action="error")] == 2
    assert proxy.get_page("/healthz") == (200, b"OK")
    # A record may be lost with the worker that was about to write it, and a record may be there that no answer reached.
    assert abs(len(proxy.records()) - proxy.started) <= 9
    proxy.started = len(proxy.records())


def test_nobody_is_healthy_without_workers(proxy: RunningProxy) -> None:
    for each in workers_of(proxy):
        os.kill(each["pid"], signal.SIGSTOP)     # they answer nothing, so that what is asked of them takes its time
    try:
        assert all("generation" not in each for each in workers_of(proxy))
    finally:
        for pid in pids_of(proxy):
            os.kill(pid, signal.SIGCONT)
    for _ in range(3):                           # the second time there is a pause in which none is there
        for pid in pids_of(proxy):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: is_gone(pid), LONG, what="it lives")  # type: ignore[misc]
    wait_until(lambda: proxy.get_page("/healthz") == (503, b"no worker serves"), LONG, what="healthy without workers")
    wait_until(lambda: proxy.get_page("/healthz") == (200, b"OK"), LONG, what="no worker comes back")
    assert proxy.ask(Way.HTTP).status == 200


def test_workers_end_with_their_supervisor(proxy: RunningProxy) -> None:
    proxy.raw("http")
    pids = pids_of(proxy)

    proxy.process.kill()

    for pid in pids:
        wait_until(lambda pid=pid: is_gone(pid), LONG, what="a worker outlives its supervisor")  # type: ignore[misc]


# --- reload ---------------------------------------------------------------------------------------------------------


def test_a_reload_under_load_loses_nothing_and_reaches_every_worker(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(proxy__workers=4, management=MANAGEMENT, env=ENVIRONMENT)
    with Load(proxy) as load:
        for number in range(3):
            rewrite(proxy, proxy__workers=4, proxy__upstream_response_header_timeout=f"{number + 3}s")
            answer = reload(proxy)
            assert (answer.status, answer.json["workers"]) == (
                200, [{"worker": each, "status": "ok"} for each in (1, 2, 3, 4)],
            )  # fmt: skip
            load.goes_on(10)
        proxy.process.send_signal(signal.SIGHUP)
        proxy.wait_for(lambda line: line.get("by") == "SIGHUP")
    assert load.failures == []
    assert [each["generation"] for each in workers_of(proxy)] == [5] * 4
    rewrite(proxy, proxy__workers=4, **ONLY_RULES)
    assert reload(proxy).status == 200
    assert [proxy.ask(Way.HTTP).status for _ in range(12)] == [403] * 12


def test_a_reload_that_fails_in_one_worker_changes_none(fresh_proxy: Fresh, folder: Path) -> None:
    environment = {**ENVIRONMENT, **environment_of_transforms(folder)}
    proxy = fresh_proxy(proxy__workers=2, management=MANAGEMENT, env=environment)
    changed = [allowlist(domains=["other.test"]), secrets(), moody(**{"breaks": True, "in": "2"})]
    rewrite(proxy, proxy__workers=2, transforms=changed)

    answer = reload(proxy)

    assert answer.status == 422
    assert [each.partition("proxy.yaml")[0] for each in answer.json["problems"]] == [f"worker 2: {proxy.directory}/"]
    assert "not in this process" in answer.json["error"]
    assert [each["generation"] for each in workers_of(proxy)] == [1, 1]
    assert [proxy.ask(Way.HTTP).status for _ in range(8)] == [200] * 8
    # Who comes back now begins under the policy in force, and not under what the file says.
    os.kill(pids_of(proxy)[0], signal.SIGKILL)
    proxy.wait_for(lambda line: line["msg"] == "worker serves again", 60)
    assert [proxy.ask(Way.HTTP).status for _ in range(8)] == [200] * 8
    rewrite(proxy, proxy__workers=2, **ONLY_RULES)
    assert reload(proxy).status == 200


def test_another_ca_is_used_by_every_worker_from_the_next_handshake_on(proxy: RunningProxy, tmp_path: Path) -> None:
    from iron_proxy.cli.main import run

    assert proxy.ask(Way.HTTPS).status == 200
    assert run(["generate-ca", "-outdir", str(tmp_path)]) == 0
    tls = {"ca_cert": str(tmp_path / "ca.crt"), "ca_key": str(tmp_path / "ca.key")}
    rewrite(proxy, proxy__workers=2, tls=tls)
    assert reload(proxy).status == 200
    trusting = ssl.create_default_context(cafile=tls["ca_cert"])

    for _ in range(8):
        with socket.create_connection(proxy.addresses["https"], 10) as sock:
            trusting.wrap_socket(sock, server_hostname="ok.test").close()


def test_what_waits_for_a_restart_is_named(proxy: RunningProxy) -> None:
    rewrite(proxy, proxy__workers=3, proxy__http_listen="127.0.0.1:1")

    left = reload(proxy).json["not_reloaded"]

    assert [each["key"] for each in left] == ["proxy.workers", "proxy.http_listen"]
    assert proxy.ask(Way.HTTP).status == 200


# --- stop -----------------------------------------------------------------------------------------------------------


def test_a_stop_drains_every_worker(proxy: RunningProxy, internet: Internet) -> None:
    held = hold_all_workers(proxy, 2)
    under_way = [proxy.open(Way.HTTP, "ok.test") for _ in range(6)]
    for number, session in enumerate(under_way):
        proxy.started += 1
        session.send(request(f"/hold/worker-{number}", proxy.authority(Way.HTTP, "ok.test")))
        proxy.wait_for_arrival(Way.HTTP, f"/hold/worker-{number}")
    os.kill(proxy.process.pid, signal.SIGTERM)
    proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
    for number in range(6):
        internet.allowed.release(f"worker-{number}")

    assert all(session.read_to_end().endswith(b"-last") for session in under_way)
    assert proxy.wait_for_exit() == 0
    assert len(held) == 2
    assert len(proxy.records()) == proxy.started
    assert proxy.parsed()[-1]["msg"] == "iron-proxy stopped"


def test_a_second_signal_cuts_what_is_left(proxy: RunningProxy) -> None:
    session = proxy.open(Way.HTTP, "ok.test")
    proxy.started += 1
    session.send(request("/hold/cut", proxy.authority(Way.HTTP, "ok.test")))
    proxy.wait_for_arrival(Way.HTTP, "/hold/cut")

    proxy.process.send_signal(signal.SIGINT)
    proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
    proxy.process.send_signal(signal.SIGINT)

    assert proxy.wait_for_exit(9) == 0
    assert len(proxy.records()) == proxy.started


# --- the audit log --------------------------------------------------------------------------------------------------


def test_long_lines_of_four_workers_are_whole(fresh_proxy: Fresh) -> None:
    capture = {"name": "body_capture", "config": {"max_request_body_bytes": 65536, "rules": [{"host": "ok.test"}]}}
    proxy = fresh_proxy(proxy__workers=4, transforms=[allowlist(), capture])
    body = b"x" * 65536
    raw = request("/", proxy.authority(Way.HTTP, "ok.test"), method="POST", body=body)
    for _ in range(5):
        sessions = [proxy.open(Way.HTTP, "ok.test") for _ in range(20)]
        for session in sessions:
            proxy.started += 1
            session.send(raw)
        assert [session.read_answer("POST").status for session in sessions] == [200] * 20

    records = proxy.new_records()

    assert {len(each["body_capture"]["request_body"]) for each in records} == {65536}
    assert len({each["request_id"].partition("-")[0] for each in records}) == 4
    assert len({each["request_id"] for each in records}) == 100


def test_strict_the_record_is_in_the_one_file_before_the_answer(fresh_proxy: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = {"output": "both", "file": str(file), "mode": "strict", "chain": True, "max_size": "64KiB"}
    proxy = fresh_proxy(proxy__workers=2, audit=audit)
    for number in range(60):
        assert proxy.ask(Way.HTTP, path=f"/{number}").status == 200
        whole = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert b'"path":"/%d"' % number in whole
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.wait_for_exit() == 0

    files = sorted(tmp_path.glob("audit.jsonl*"), key=lambda each: (each == file, each.name))
    records = [json.loads(line) for each in files for line in each.read_bytes().splitlines()]
    assert sorted(each["seq"] for each in records) == list(range(1, len(records) + 1))
    assert len(files) > 1
    assert audit_command(["verify", *map(str, files)]) == 0


# --- what cannot begin ----------------------------------------------------------------------------------------------


def test_a_port_in_use_is_told_as_by_one_process(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        told = []
        for workers in (1, 4):
            config = base_config(internet, proxy_ca, proxy__http_listen=listen, proxy__workers=workers)
            ended = run_to_end(config, tmp_path, internet)
            told.append((ended.returncode, ended.stderr.splitlines()[-1]))

    assert told[0] == told[1]
    assert told[0][0] == 1
    assert "proxy.http_listen: listen " in told[0][1]


def test_a_worker_that_cannot_start_is_one_message(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, folder: Path
) -> None:
    config = base_config(internet, proxy_ca, proxy__workers=3, transforms=[allowlist(), moody(breaks=True)])

    ended = run_to_end(config, tmp_path, internet, environment_of_transforms(folder))

    errors = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 1
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert errors[0].endswith("not in this process")
    assert "starting" not in ended.stderr


def test_metrics_are_not_exported_by_each_process(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> None:
    config = base_config(internet, proxy_ca, proxy__workers=2)

    ended = run_to_end(config, tmp_path, internet, {"OTEL_METRICS_EXPORTER": "otlp"})

    assert ended.returncode == 1
    assert "OTEL_METRICS_EXPORTER=otlp: not with proxy.workers" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("workers", ["2", "auto"])
def test_a_session_is_one_process(tmp_path: Path, workers: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"proxy: {{workers: {workers}}}\n")

    ended = subprocess.run(
        [sys.executable, "-m", "iron_proxy", "run", "-config", str(file), "--", "true"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert ended.returncode == 2
    assert "proxy.workers: is for serving: `iron-proxy run` is one process; leave it out or write 1" in ended.stderr
