"""The real process behind an outbound proxy: what the proxy is asked, what it can read, and what never reaches it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.outbound_proxy import FakeHTTPProxy, FakeSOCKSProxy
from tests.fakes.running_proxy import SECRETS, ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.wire_client import Way, way_id

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

# Not denied by BASE.yaml, whose explicit list holds for proxies too.
PROXY_HOST = "127.0.1.5"
LOGIN = ("alice", "PROXY-hunter2canary")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"

AnyProxy = FakeHTTPProxy | FakeSOCKSProxy


@pytest.fixture
def start_fake(internet: Internet) -> Iterator[Callable[[AnyProxy], None]]:
    """Starts fakes on the internet's side, and stops them with the test."""
    started: list[AnyProxy] = []

    def start(fake: AnyProxy) -> None:
        fake.leads_to.update(dict.fromkeys(("ok.test", "inject.test"), ALLOWED))
        internet.background.run(fake.__aenter__())
        started.append(fake)

    yield start
    for fake in started:
        internet.background.run(fake.__aexit__())


FAKES: dict[str, Callable[[Internet], AnyProxy]] = {
    "http": lambda internet: FakeHTTPProxy(PROXY_HOST, login=LOGIN),
    "https": lambda internet: FakeHTTPProxy(PROXY_HOST, tls=internet.server_context(PROXY_HOST), login=LOGIN),
    "socks5h": lambda internet: FakeSOCKSProxy(PROXY_HOST, login=LOGIN),
}


@pytest.fixture(params=list(FAKES))
def fake(request: pytest.FixtureRequest, internet: Internet, start_fake: Callable[[AnyProxy], None]) -> AnyProxy:
    started = FAKES[request.param](internet)
    start_fake(started)
    return started


@pytest.fixture
def http_fake(internet: Internet, start_fake: Callable[[AnyProxy], None]) -> FakeHTTPProxy:
    started = FakeHTTPProxy(PROXY_HOST, login=LOGIN)
    start_fake(started)
    return started


@pytest.fixture
def behind(running: Running) -> Iterator[Callable[..., RunningProxy]]:
    """Our proxy behind another one. Neither its password nor a real secret may be in what is logged or answered."""
    used: list[RunningProxy] = []

    def start(fake: AnyProxy, no_proxy: str = "", env: dict[str, str] | None = None, **changes: Any) -> RunningProxy:
        settings = {"http_proxy": fake.url, "https_proxy": fake.url, "no_proxy": no_proxy}
        proxy = running(env=env, **{"proxy__upstream_proxy": settings, **changes})
        used.append(proxy)
        return proxy

    yield start
    assert all(LOGIN[1] not in line for proxy in used for line in proxy.lines)


def asked_names(internet: Internet) -> list[str]:
    return [query.name for query in internet.dns.queries]


@pytest.mark.parametrize("way", [Way.HTTPS, Way.CONNECT_TLS], ids=way_id)
def test_https_goes_by_a_tunnel_to_a_name_that_is_not_resolved_here(
    behind: Callable[..., RunningProxy], fake: AnyProxy, internet: Internet, way: Way
) -> None:
    proxy = behind(fake)
    before = len(internet.dns.queries)

    answer = proxy.ask(way, "/a?b=c")

    assert answer.status == 200
    assert [seen.request_line for seen in proxy.arrived()] == [b"GET /a?b=c HTTP/1.1"]
    assert b"Proxy-Authorization" not in proxy.arrived()[0].head
    assert fake.asked == [f"ok.test:{internet.tls_port}"]
    assert fake.logins == [LOGIN]
    assert "ok.test" not in asked_names(internet)[before:]


def test_a_tunnel_is_kept_for_the_next_request(behind: Callable[..., RunningProxy], fake: AnyProxy) -> None:
    proxy = behind(fake)

    statuses = [proxy.ask(Way.HTTPS, f"/{number}").status for number in range(5)]

    assert statuses == [200] * 5
    assert len(fake.asked) == 1


@pytest.mark.parametrize("way", [Way.HTTP, Way.SOCKS_PLAIN], ids=way_id)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_plain_http_is_asked_for_in_absolute_form(
    behind: Callable[..., RunningProxy],
    start_fake: Callable[[AnyProxy], None],
    internet: Internet,
    way: Way,
    tls: bool,
) -> None:
    fake = FakeHTTPProxy(PROXY_HOST, tls=internet.server_context(PROXY_HOST) if tls else None, login=LOGIN)
    start_fake(fake)
    proxy = behind(fake)

    answers = [
        proxy.ask(way, "/a?b=c"),
        proxy.ask(way, "/upload", method="POST", body=b"x" * 100),
        proxy.ask(way, "*", method="OPTIONS"),
    ]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"by proxy\n")] * 3
    origin = f"http://ok.test:{internet.plain_port}"
    assert fake.asked == [f"{origin}/a?b=c", f"{origin}/upload", origin]
    assert f"\r\nHost: ok.test:{internet.plain_port}\r\n".encode() in fake.heads[0]
    assert proxy.arrived() == []


@pytest.mark.parametrize("way", [Way.HTTP, Way.SOCKS_PLAIN], ids=way_id)
def test_plain_http_goes_through_socks_as_it_is(
    behind: Callable[..., RunningProxy], start_fake: Callable[[AnyProxy], None], internet: Internet, way: Way
) -> None:
    fake = FakeSOCKSProxy(PROXY_HOST)
    start_fake(fake)
    proxy = behind(fake)

    assert proxy.ask(way, "/a").status == 200
    assert [seen.request_line for seen in proxy.arrived()] == [b"GET /a HTTP/1.1"]
    assert fake.asked == [f"ok.test:{internet.plain_port}"]


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_a_websocket_goes_by_a_tunnel(behind: Callable[..., RunningProxy], fake: AnyProxy, way: Way) -> None:
    proxy = behind(fake)

    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/ws", proxy.authority(way, "ok.test"), headers=UPGRADE) + b"early")
        head = session.read()
        if not head.endswith(b"early"):
            head += session.read_exactly(5)

    assert head.startswith(b"HTTP/1.1 101 ")
    assert fake.asked == [proxy.authority(way, "ok.test")]
    assert fake.logins == [LOGIN]


def test_an_injected_secret_is_not_seen_by_the_proxy(
    behind: Callable[..., RunningProxy], http_fake: FakeHTTPProxy
) -> None:
    proxy = behind(http_fake)

    assert proxy.ask(Way.HTTPS, host="inject.test").status == 200
    assert SECRETS["SEC_INJ"].encode() in proxy.arrived()[0].head
    assert not any(SECRETS["SEC_INJ"].encode() in head for head in http_fake.heads)


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_what_no_proxy_names_is_dialled_directly(
    behind: Callable[..., RunningProxy], http_fake: FakeHTTPProxy, way: Way
) -> None:
    proxy = behind(http_fake, no_proxy="ok.test")

    assert proxy.ask(way).status == 200
    assert len(proxy.arrived()) == 1
    assert http_fake.accepted == 0


@pytest.mark.parametrize("way", [Way.HTTP, Way.CONNECT_TLS], ids=way_id)
@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.5"])
def test_a_denied_address_is_not_asked_for(
    behind: Callable[..., RunningProxy], http_fake: FakeHTTPProxy, way: Way, host: str
) -> None:
    proxy = behind(http_fake, transforms=[allowlist(domains=["*"], cidrs=[f"{host}/32"])])

    answer = proxy.ask(way, host=host)

    assert answer.status == 502
    assert "denied by upstream_deny_cidrs" in proxy.last_record()["error"]
    assert http_fake.accepted == 0


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_challenge_of_the_proxy_does_not_reach_the_client(
    behind: Callable[..., RunningProxy], http_fake: FakeHTTPProxy, way: Way, method: str
) -> None:
    proxy = behind(http_fake)
    http_fake.login = ("alice", "another")

    answer = proxy.ask(way, method=method, body=b"x" if method == "POST" else b"")

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    record = proxy.last_record()
    assert record["error"].startswith(f"outbound proxy {PROXY_HOST}:{http_fake.port}: it answered 407")


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_a_proxy_that_is_gone_is_no_reason_to_go_without(
    behind: Callable[..., RunningProxy], internet: Internet, way: Way
) -> None:
    fake = FakeHTTPProxy(PROXY_HOST)
    internet.background.run(fake.__aenter__())
    internet.background.run(fake.__aexit__())
    proxy = behind(fake)

    assert proxy.ask(way).status == 502
    assert f"outbound proxy {PROXY_HOST}:{fake.port}: dial tcp" in proxy.last_record()["error"]
    assert proxy.arrived() == []


def test_the_environment_names_a_proxy_too(behind: Callable[..., RunningProxy], http_fake: FakeHTTPProxy) -> None:
    proxy = behind(http_fake, proxy__upstream_proxy=None, env={"HTTPS_PROXY": http_fake.url})

    assert proxy.ask(Way.HTTPS).status == 200
    assert len(http_fake.asked) == 1
    assert proxy.ask(Way.HTTP).status == 200
    assert len(proxy.arrived()) == 2
    told = next(line for line in proxy.parsed() if line["msg"] == "using outbound proxy")
    assert told["https"] == f"http://{PROXY_HOST}:{http_fake.port}"
    assert "http" not in told


@pytest.mark.parametrize(
    ("settings", "env", "place"),
    [
        ({"https_proxy": "http//bad url"}, {}, "https_proxy"),
        ({}, {"HTTPS_PROXY": "::garbage"}, "HTTPS_PROXY"),
        ({"http_proxy": "http://alice:PROXY-hunter2canary@bad/path"}, {}, "http_proxy"),
        ({"http_proxy": "http://proxy.test", "no_proxy": "10.0.0.0/99"}, {}, "no_proxy"),
    ],
    ids=["file", "environment", "with a password", "no_proxy"],
)
def test_ssrf_14_a_proxy_that_cannot_be_understood_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, settings: dict[str, str], env: dict[str, str], place: str
) -> None:
    config = base_config(internet, proxy_ca, proxy__upstream_proxy=settings)

    ended = run_to_end(config, tmp_path, internet, env)

    assert ended.returncode == 2
    assert place in ended.stderr
    assert "hunter2" not in ended.stderr
