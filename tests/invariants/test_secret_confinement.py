"""
A real secret is in no log, error, audit record or answer: a canary in every source, every error path, all searched.

The oracles search stderr and every byte a client received after each test, for the canaries and their base64 and URL
forms; here the paths on which a secret is in the proxy's hands are driven one by one.
"""

from pathlib import Path

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config, secrets_of
from tests.fakes.confinement import check_confined
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

CANARIES = {
    "CANARY_ENV": "CANARY-env-5d1f0a77",
    "CANARY_QUERY": "CANARY-query-91be33c4",
    "CANARY_SWAP": "CANARY-swap-07aa1e5b",
}
FILE_CANARY = "CANARY-file-c0ffee12"
TOKEN = "canary-proxy-token-1"


@pytest.fixture
def guarded(running: Running, tmp_path_factory: pytest.TempPathFactory) -> RunningProxy:
    """A proxy with a canary in every source and every way of using it, at every host that can fail."""
    file = tmp_path_factory.getbasetemp() / "canary"
    file.write_text(FILE_CANARY)
    rules = [{"host": host} for host in ("inject.test", "nx.test", "lo.test", "slow.test", "rules.test")]
    entries = (
        {"source": {"type": "env", "var": "CANARY_ENV"}, "inject": {"header": "X-Env"}, "rules": rules},
        {"source": {"type": "env", "var": "CANARY_QUERY"}, "inject": {"query_param": "key"}, "rules": rules},
        {"source": {"type": "file", "path": str(file)}, "inject": {"header": "X-File"}, "rules": rules},
        {
            "source": {"type": "env", "var": "CANARY_SWAP"},
            "replace": {
                "proxy_value": TOKEN,
                "match_headers": [],
                "match_path": True,
                "match_query": True,
                "match_body": True,
            },
            "rules": rules,
        },
    )
    proxy = running(
        transforms=[allowlist(), secrets_of(*entries)], env=CANARIES, proxy__upstream_response_header_timeout="500ms",
        log={"level": "debug"},
    )  # fmt: skip
    proxy.secrets = [*CANARIES.values(), FILE_CANARY]
    return proxy


def ask_with_token(proxy: RunningProxy, way: Way, path: str, host: str = "inject.test") -> int:
    """A request that carries the token in every place it can."""
    return proxy.ask(
        way, f"{path}?t={TOKEN}", host=host, method="POST", headers=f"X-Token: {TOKEN}\r\n", body=TOKEN.encode()
    ).status


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_the_canaries_really_are_used(guarded: RunningProxy, way: Way) -> None:
    assert ask_with_token(guarded, way, f"/p/{TOKEN}") == 200

    seen = guarded.arrived()[-1]
    for canary in guarded.secrets:
        assert canary.encode() in seen.head + seen.body


FAILURES: dict[str, tuple[bytes, Then]] = {
    "cut head": (b"HTTP/1.1 200 OK\r\nX: ", Then.CLOSE),
    "cut body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Then.CLOSE),
    "reset": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Then.RESET),
    "malformed head": (b"nonsense\r\n\r\n", Then.CLOSE),
    "malformed chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Then.KEEP),
    "silence": (b"", Then.STALL),
    "unasked switch": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", Then.KEEP),
    "error page": (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", Then.KEEP),
}


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("reply", [pytest.param(reply, id=name) for name, reply in FAILURES.items()])
def test_an_upstream_that_fails_after_it_has_the_secrets(
    guarded: RunningProxy, internet: Internet, way: Way, reply: tuple[bytes, Then]
) -> None:
    internet.allowed_tls.raw_replies["fail"] = RawReply(*reply)

    guarded.ask(way, f"/raw/fail?t={TOKEN}", host="inject.test", headers=f"X-Token: {TOKEN}\r\n")

    assert guarded.last_record()["action"] in ("error", "allow")


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["nx.test", "lo.test"])
def test_an_upstream_that_cannot_be_dialled(guarded: RunningProxy, way: Way, host: str) -> None:
    assert ask_with_token(guarded, way, f"/{TOKEN}", host) == 502


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_an_upstream_whose_certificate_is_not_good(guarded: RunningProxy, internet: Internet, way: Way) -> None:
    origin = internet.add_recorder(ALLOWED, internet.server_context("elsewhere.test"))
    raw = request(f"/{TOKEN}", f"inject.test:{origin.port}", headers=f"X: {TOKEN}\r\n")

    with guarded.open(way, "inject.test", origin.port) as session:
        guarded.started += 1
        session.send(raw)
        assert session.read_answer().status == 502

    assert all(not connection.received for connection in origin.connections)


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "raw",
    [
        b"POST /%b HTTP/1.1\r\nHost: %b\r\nContent-Length: 99\r\n\r\n%b",
        b"POST /%b HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n%b\r\nzz\r\n",
        b"GET /%b HTTP/1.1\r\nHost: %b\r\nX: \x01%b\r\n\r\n",
    ],
    ids=["cut body", "malformed chunk", "malformed field"],
)
def test_a_client_that_fails_while_its_request_is_being_changed(guarded: RunningProxy, way: Way, raw: bytes) -> None:
    token = TOKEN.encode()
    with guarded.open(way, "inject.test") as session:
        guarded.started += 1
        session.send(raw % (token, guarded.authority(way, "inject.test").encode(), token))
        session.end()
        session.read_to_end()

    assert guarded.last_record()["action"] in ("reject", "client_cancel", "error")


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_a_client_that_leaves_while_the_upstream_has_the_secrets(guarded: RunningProxy, way: Way) -> None:
    with guarded.open(way, "inject.test") as session:
        guarded.started += 1
        session.send(request(f"/slow/{way.name}", guarded.authority(way, "inject.test")))
        guarded.wait_for_arrival(way, f"/slow/{way.name}?key={CANARIES['CANARY_QUERY']}")
        session.reset()

    assert guarded.last_record()["action"] in ("client_cancel", "error")


def test_a_start_that_fails_says_no_secret(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> None:
    entry = {
        "source": {"type": "env", "var": "CANARY_ENV"},
        "inject": {"header": "bad name"},
        "rules": [{"host": "a.test"}],
    }
    config = base_config(internet, proxy_ca, transforms=[secrets_of(entry)])

    ended = run_to_end(config, tmp_path, internet, CANARIES)

    assert ended.returncode == 2
    check_confined([*CANARIES.values()], (ended.stdout + ended.stderr).encode(), "what the start said")


def test_the_environment_of_the_process_is_the_only_place_where_they_are(guarded: RunningProxy) -> None:
    command_line = Path(f"/proc/{guarded.process.pid}/cmdline").read_bytes()

    check_confined(guarded.secrets, command_line, "the command line")


def test_the_check_itself_finds_what_it_looks_for() -> None:
    for text in (b"..CANARY-env-5d1f0a77..", b"Q0FOQVJZLWVudi01ZDFmMGE3Nw==", b"Basic eDpDQU5BUlktZW52LTVkMWYwYTc3"):
        with pytest.raises(AssertionError):
            check_confined(["CANARY-env-5d1f0a77"], text, "here")
