"""MGT: who may call, what a reload of a broken or hostile file does, and that the API is out of workloads' reach."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from tests.conftest import Fresh, Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import Internet
from tests.fakes.management_client import ENVIRONMENT, KEY, MANAGEMENT, call, explain, reload
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end, write_configuration
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def managed(running: Running) -> RunningProxy:
    return running(management=MANAGEMENT, env=ENVIRONMENT)


@pytest.mark.parametrize(
    "shown",
    [
        [None, f"Basic {KEY}", f"bearer {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Bearer  {KEY}"],
        ["Bearer ", "Bearer", KEY, f"Bearer {KEY} ,", "Bearer \xff\xfe", f"Bearer{KEY}"],
    ],
)  # ten failures are looked at
def test_mgt_01_a_wrong_key_is_401(fresh_proxy: Fresh, shown: list[str | None]) -> None:
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)

    answers = [call(proxy, "POST", "/v1/reload", {} if key is None else {"Authorization": key}) for key in shown]

    assert {(answer.status, answer.content) for answer in answers} == {(401, b'{"error":"unauthorized"}\n')}
    assert not [line for line in proxy.parsed() if line.get("event") == "reload"]


@pytest.mark.parametrize("order", ["wrong first", "right first"])
def test_mgt_01_two_keys_are_none(managed: RunningProxy, order: str) -> None:
    lines = [f"Authorization: Bearer {KEY}", "Authorization: Bearer no"]
    first, second = lines if order == "right first" else lines[::-1]
    with socket.create_connection(managed.addresses["management"]) as sock:
        sock.sendall(f"POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\n{first}\r\n{second}\r\n\r\n".encode())
        answer = sock.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_mgt_01_the_right_key_reloads(managed: RunningProxy) -> None:
    answer = reload(managed)

    assert (answer.status, answer.content) == (200, b'{"status":"ok"}\n')
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["iron-proxy-generation"]) > 1


def test_mgt_01_guesses_are_slowed_and_then_not_looked_at(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)
    statuses = [call(proxy, "GET", "/v1/status", {"Authorization": f"Bearer {n}"}).status for n in range(12)]

    last = call(proxy, "GET", "/v1/status")

    assert statuses == [401] * 10 + [429] * 2
    assert last.status == 429  # the right one, too: a guess that is not looked at tells nothing
    assert 0 < int(last.headers["retry-after"]) <= 6
    assert KEY not in "".join(proxy.lines)


def test_mgt_01_who_shows_no_key_locks_nobody_out(managed: RunningProxy) -> None:
    assert {call(managed, "GET", "/v1/status", {}).status for _ in range(30)} == {401}

    assert call(managed, "GET", "/v1/status").status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/reload", "POST"), ("PUT", "/v1/status", "GET"), ("GET", "/v1/sync", "POST"),
     ("DELETE", "/v1/config", "GET"), ("OPTIONS", "/v1/reload", "POST"), ("BREW", "/v1/explain", "POST")],
)  # fmt: skip
def test_mgt_02_first_the_key_then_the_method(managed: RunningProxy, method: str, path: str, allowed: str) -> None:
    without, with_key = call(managed, method, path, {}), call(managed, method, path)

    assert without.status == 401
    assert (with_key.status, with_key.content) == (405, b'{"error":"method not allowed"}\n')
    assert with_key.headers["allow"] == allowed


def test_mgt_02_what_is_not_there(managed: RunningProxy) -> None:
    sync, unknown = call(managed, "POST", "/v1/sync"), call(managed, "GET", "/v1/nothing", {})

    assert (sync.status, sync.content) == (404, b'{"error":"sync is unavailable in standalone mode"}\n')
    assert (unknown.status, unknown.content) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("management", "environment", "complaint"),
    [
        (MANAGEMENT, {}, 'management.api_key_env "IRON_MANAGEMENT_API_KEY" is not set in the environment'),
        (MANAGEMENT, {"IRON_MANAGEMENT_API_KEY": ""}, "is not set in the environment"),
        ({**MANAGEMENT, "api_key_env": "OTHER"}, ENVIRONMENT, 'management.api_key_env "OTHER" is not set'),
        ({**MANAGEMENT, "api_key_file": "/nowhere/key"}, {}, "management.api_key_file /nowhere/key: no such file"),
        ({**MANAGEMENT, "api_key_file": "k", "api_key_env": "K"}, {}, "api_key_file: stands beside api_key_env"),
        ({**MANAGEMENT, "token": "x"}, ENVIRONMENT, "management.token: unknown key"),
    ],
)  # fmt: skip
def test_mgt_02_without_a_key_nothing_starts(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, management: dict[str, str], environment: dict[str, str],
    complaint: str,
) -> None:  # fmt: skip
    ended = run_to_end(base_config(internet, proxy_ca, management=management), tmp_path, internet, environment)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def _no_file(file: Path) -> None:
    file.unlink()


def _a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _nobody_may_read_it(file: Path) -> None:
    file.chmod(0)
    if os.access(file, os.R_OK):  # root reads everything
        file.unlink()
        file.symlink_to("/proc/self/mem")


def _written(text: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.write_text(text.replace("SECRET", SECRET))

    return write


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "syntax": (_written("transforms: [{{\n  token: SECRET\n"), ":3: "),
    "an unknown key": (_written("password: SECRET\n"), "password: unknown key"),
    "a CIDR": (_written('proxy: {upstream_deny_cidrs: ["SECRET"]}\n'), ""),
    "a regex": (_written("transforms: [{name: allowlist, config: {rules: [{host: 'a', paths: ['~[']}]}}]\n"), ""),
    "an unknown transform": (_written("transforms: [{name: alowlist}]\n"), "alowlist"),
    "no file": (_no_file, "no such file"),
    "empty": (_written(""), "empty"),
    "a list": (_written("- a\n"), ":1: "),
    "a directory": (_a_directory, "directory"),
    "unreadable": (_nobody_may_read_it, "opening config file"),
    "binary": (_written("\x00\x01"), ""),
    "a tag": (_written("log: !!python/object/apply:os.system [x]\n"), "tag"),
    "aliases": (_written("a: &a [*a, *a]\n"), ""),
    "no CA": (_written("dns: {proxy_ip: 127.0.0.1}\n"), "ca_cert: is required"),
}


def test_mgt_04_a_broken_file_changes_nothing_and_is_told(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)
    sound = proxy.file.read_text()

    for kind, (breaks, complaint) in BROKEN.items():
        breaks(proxy.file)
        answer = reload(proxy)

        assert answer.status == 422, kind
        assert complaint in answer.json["error"].lower(), kind
        assert answer.json["error"] == "\n".join(answer.json["problems"])
        # What is no CIDR is quoted, so that it is found.
        assert SECRET not in answer.content.decode() or kind == "a CIDR", kind
        assert proxy.ask(Way.HTTP).status == 200
        if proxy.file.is_dir():
            proxy.file.rmdir()
        proxy.file.unlink(missing_ok=True)
        proxy.file.write_text(sound)

    assert call(proxy, "GET", "/v1/status").json["generation"] == 1
    refused = [line for line in proxy.parsed() if line.get("event") == "reload"]
    assert [line["action"] for line in refused] == ["reject"] * len(BROKEN)
    assert reload(proxy).content == b'{"status":"ok"}\n'


def test_mgt_04_a_pipe_in_the_files_place_holds_up_nothing(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)
    proxy.file.unlink()
    os.mkfifo(proxy.file)
    started = monotonic()

    with socket.create_connection(proxy.addresses["management"]) as sock:
        head = f"POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        sock.sendall(head.encode())
        assert [proxy.ask(way).status for way in ALL_WAYS] == [200] * len(ALL_WAYS)
        assert call(proxy, "GET", "/v1/status").status == 200

    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert monotonic() - started < 10


def test_mgt_05_what_was_not_applied_is_named(fresh_proxy: Fresh, internet: Internet, proxy_ca: ProxyCA) -> None:
    proxy = fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)
    changed = base_config(
        internet, proxy_ca, management={"listen": "127.0.0.1:1"}, metrics={"listen": "off"},
        log={"level": "warn", "audit_schema": "v0.46"}, audit={"chain": True}, proxy__transparent="redirect",
        proxy__upstream_deny_cidrs=["127.0.0.0/8"],
    )  # fmt: skip
    write_configuration(proxy.directory, changed)

    answer = reload(proxy)

    assert answer.status == 200
    assert [left["key"] for left in answer.json["not_reloaded"]] == [
        "metrics.listen", "management.listen", "proxy.transparent", "log.audit_schema", "audit.chain",
    ]  # fmt: skip
    assert proxy.ask(Way.HTTP).status == 502  # the deny list is the new one
    assert call(proxy, "GET", "/v1/config").json["management"]["listen"] == "127.0.0.1:0"


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("listener", ["management", "metrics"])
def test_the_api_cannot_be_reached_through_the_proxy(running: Running, way: Way, listener: str) -> None:
    open_to_all = [allowlist(domains=["*"], cidrs=["0.0.0.0/0"])]
    proxy = running(
        management=MANAGEMENT, env=ENVIRONMENT, transforms=open_to_all, proxy__upstream_deny_cidrs=[]
    )
    port = proxy.addresses[listener][1]
    raw = request("/v1/status", f"127.0.0.1:{port}", headers=f"Authorization: Bearer {KEY}\r\n")

    with proxy.open(way, "127.0.0.1", port) as session:
        proxy.started += 1
        session.send(raw)
        answer = session.read_answer("GET")

    assert answer.status == 502
    assert "listener of this proxy" in proxy.last_record()["error"]


def test_a_page_of_another_site_is_refused_whatever_it_shows(managed: RunningProxy) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    hostile = [
        {**key, "Origin": "https://evil.test"},
        {**key, "Origin": "null"},
        {**key, "Sec-Fetch-Site": "cross-site"},
        {**key, "Sec-Fetch-Site": "same-site"},
        {**key, "Host": "rebound.evil.test"},
        {**key, "Host": ""},
        {**key, "Host": "[::1"},
    ]

    assert [call(managed, "POST", "/v1/reload", each).status for each in hostile] == [403] * len(hostile)
    own = {**key, "Origin": "http://localhost:1", "Host": "localhost:1", "Sec-Fetch-Site": "same-origin"}
    answer = call(managed, "GET", "/v1/status", own)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"method": "GET"}', b'{"method": 1, "url": 2}', b"[" * 200_000, b'{"a":' * 200_000, b"\xff",
     b'{"method":"GET","url":"http://ok.test/","surprise":1}', b'{"method":"GET","url":"ftp://x/"}',
     b'{"method":"GET","url":"http://ok.test/","headers":{"a":"b\\r\\nc: d"}}',
     b'{"method":"GET","url":"http://ok.test/","client":"nobody"}',
     b'{"method":"GET\\r\\nX: y","url":"http://ok.test/"}'],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_400(managed: RunningProxy, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

    answer = call(managed, "POST", "/v1/explain", headers, body)

    assert answer.status == 400
    assert answer.json["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000, b'{"a":' * 200_000, b'{"method":' + b"1" * 1_000_000 + b"}",
        b"{" + b",".join([b'"method":"GET"'] * 100_000) + b"}", b'{"method":"' + b"x" * 2_000_000 + b'"}',
        b'{"method":"' + rb"\ud800" * 300_000 + b'"}',
    ],
    ids=["arrays", "objects", "a number", "a key many times", "a text", "halves of letters"],
)  # fmt: skip
def test_dos_11_json_that_is_made_to_cost_is_answered_soon(managed: RunningProxy, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    before = managed.cpu_seconds()

    answer = call(managed, "POST", "/v1/explain", headers, body)

    assert answer.status == 400
    assert len(answer.content) < 1000
    assert managed.cpu_seconds() - before < 1.0


def test_a_question_is_bounded_and_json(managed: RunningProxy) -> None:
    key = {"Authorization": f"Bearer {KEY}"}

    plain = call(managed, "POST", "/v1/explain", {**key, "Content-Type": "text/plain"}, b"{}")
    large = call(managed, "POST", "/v1/explain", {**key, "Content-Type": "application/json"}, b" " * (2 * 1024**2 + 1))

    assert (plain.status, large.status) == (415, 413)


def test_nothing_shows_a_secret(managed: RunningProxy) -> None:
    managed.ask(Way.HTTPS, host="inject.test")
    managed.settle()

    answers = [call(managed, "GET", path) for path in ("/v1/status", "/v1/config", "/v1/connections")]
    answers.append(explain(managed, method="GET", url="https://inject.test/"))

    assert [answer.status for answer in answers] == [200] * 4
    shown = b"".join(answer.content for answer in answers)
    assert not [secret for secret in (*managed.secrets, KEY) if secret.encode() in shown]


def test_mgt_11_idle_connections_keep_nobody_out(managed: RunningProxy) -> None:
    for listener in ("management", "metrics"):
        idle = [socket.create_connection(managed.addresses[listener]) for _ in range(300)]
        try:
            assert call(managed, "GET", "/v1/status").status == 200
            assert managed.get_page("/healthz") == (200, b"OK")
        finally:
            for sock in idle:
                sock.close()


def test_a_key_file_that_others_read_is_told(fresh_proxy: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o644)
    proxy = fresh_proxy(management={**MANAGEMENT, "api_key_file": str(file)})

    assert call(proxy, "GET", "/v1/status").status == 200
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [line for line in proxy.parsed() if "others can read it" in line["msg"]]


def test_a_new_key_in_the_file_counts_after_a_reload(fresh_proxy: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    proxy = fresh_proxy(management={**MANAGEMENT, "api_key_file": str(file)})
    file.write_text("another-key-of-the-tests\n")
    before = call(proxy, "GET", "/v1/status")

    assert reload(proxy).status == 200

    assert before.status == 200
    assert call(proxy, "GET", "/v1/status").status == 401
    assert call(proxy, "GET", "/v1/status", {"Authorization": "Bearer another-key-of-the-tests"}).status == 200
