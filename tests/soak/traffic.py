"""
The kinds of traffic of a soak, each a thread that does its thing again and again until told to end.

A kind does one round: it returns how many requests it made, each of which owes an audit record, and raises when an
answer is not what it should be.
"""

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from tests.fakes.http2_peer import speak
from tests.fakes.management_client import reload_with
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import Session, Way, connect, open_connect_tunnel, open_socks_tunnel

REQUESTS_A_CONNECTION = 5
BODY = 300_000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
# What BASE.yaml becomes: a cache that is full before the warm-up ends.
CHANGES = {"tls__cert_cache_size": 64}
# A masked text frame of five bytes (RFC 6455 section 5.7), which the origin sends back as it is.
FRAME = bytes.fromhex("818537fa213d7f9f4d5158")


class Kind(NamedTuple):
    """A round, and the pause between two of them: light enough for a machine that has other things to do."""

    name: str
    round: Callable[[RunningProxy, int], int]
    pause: float


def _session(proxy: RunningProxy, way: Way, host: str = "ok.test") -> Session:
    """As `RunningProxy.open`, which would keep every session there ever was."""
    sock = connect(proxy.addresses["tunnel" if way.is_tunnel else "https" if way.is_tls else "http"])
    try:
        if way.is_socks:
            open_socks_tunnel(sock, host, proxy.port_for(way))
        elif way.is_tunnel:
            open_connect_tunnel(sock, f"{host}:{proxy.port_for(way)}")
        if way.is_tls:
            sock = proxy.ca.client_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    return Session(sock)


def _ask(session: Session, raw: bytes, expected: tuple[int, ...] = (200,)) -> bytes:
    session.send(raw)
    answer = session.read_answer()
    assert answer.status in expected, answer
    assert answer.is_complete, answer
    return answer.body


def _some(proxy: RunningProxy, way: Way) -> int:
    with _session(proxy, way) as session:
        for _ in range(REQUESTS_A_CONNECTION):
            _ask(session, request("/", proxy.authority(way, "ok.test")))
    return REQUESTS_A_CONNECTION + way.is_tunnel


def plain(proxy: RunningProxy, number: int) -> int:
    """Requests over a kept connection, then a large upload and a large download."""
    authority = proxy.authority(Way.HTTP, "ok.test")
    with _session(proxy, Way.HTTP) as session:
        upload = request("/upload", authority, method="POST", body=b"y" * BODY)
        assert _ask(session, upload).startswith(b"%d " % BODY)
        assert len(_ask(session, request(f"/chunked/{BODY}", authority))) == BODY
    return _some(proxy, Way.HTTP) + 2


def many_names(proxy: RunningProxy, number: int) -> int:
    """TLS for a name that was never asked for: a leaf is signed, and the cache of leaves turns over."""
    host = f"n{number}.wild.test"
    with _session(proxy, Way.HTTPS, host) as session:
        _ask(session, request("/", proxy.authority(Way.HTTPS, host)))
    return 1


def secrets(proxy: RunningProxy, number: int) -> int:
    """A token swapped, and the real value scrubbed from the answer, which repeats it and has promised its length."""
    authority = proxy.authority(Way.HTTPS, "swap.test")
    with _session(proxy, Way.HTTPS, "swap.test") as session:
        body = _ask(session, request("/echo", authority, headers=f"X-Api-Key: {PROXY_TOKEN}\r\n"))
        assert SECRETS["SEC_REP"].encode() not in body
        assert PROXY_TOKEN[:16].encode() in body, body
    return 1


def tunnels(proxy: RunningProxy, number: int) -> int:
    """CONNECT and SOCKS5, with TLS inside and without."""
    return _some(proxy, (Way.CONNECT_TLS, Way.SOCKS_PLAIN, Way.CONNECT_PLAIN, Way.SOCKS_TLS)[number % 4])


def http2(proxy: RunningProxy, number: int) -> int:
    """Twenty streams at once."""
    peer = speak(proxy)
    proxy.sessions.remove(peer.session)
    with peer:
        streams = [peer.begin("/big/20000") for _ in range(20)]
        assert {(peer.answer(each).status, peer.answer(each).size) for each in streams} == {(200, 20_000)}
    return 20


def websockets(proxy: RunningProxy, number: int) -> int:
    """A WebSocket, some messages, and in turn an end in order and a reset."""
    with _session(proxy, Way.HTTP) as session:
        session.send(request("/ws", proxy.authority(Way.HTTP, "ok.test"), headers=UPGRADE))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += session.read_exactly(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        for _ in range(10):
            session.send(FRAME)
            assert session.read_exactly(len(FRAME)) == FRAME
        if number % 2:
            session.reset()
    return 1


def events(proxy: RunningProxy, number: int) -> int:
    """A stream of server-sent events, read to its end or left in the middle."""
    with _session(proxy, Way.HTTP) as session:
        raw = request("/sse", proxy.authority(Way.HTTP, "ok.test"))
        if number % 3:
            assert _ask(session, raw).count(b"data: ") == 10
        else:
            session.send(raw)
            while b"data: 1" not in session.received:
                assert session.read()
    return 1


def dying_upstreams(proxy: RunningProxy, number: int) -> int:
    """Origins that are not there, reset in the middle of an answer, or answer nonsense."""
    authority = proxy.authority(Way.HTTP, "ok.test")
    with _session(proxy, Way.HTTP) as session:
        _ask(session, request("/", f"ok.test:{number % 3 + 1}"), (502,))
        _ask(session, request("/raw/nonsense", authority), (502,))
        session.send(request("/raw/cut", authority))
        assert not session.read_answer().is_complete
    return 3


def refused(proxy: RunningProxy, number: int) -> int:
    """A host that no rule allows, and a client that leaves before its answer."""
    with _session(proxy, Way.HTTP) as session:
        _ask(session, request("/", proxy.authority(Way.HTTP, "other.test")), (403,))
        session.send(request("/chunked/50000000", proxy.authority(Way.HTTP, "ok.test")))
        session.read_exactly(1000)
        session.reset()
    return 2


def reloads(proxy: RunningProxy, number: int) -> int:
    """Another policy by the management API, which allows the same."""
    reload_with(proxy, **CHANGES, proxy__upstream_response_header_timeout=f"{20 + number % 2}s")
    return 0


KINDS = (
    Kind("plain", plain, 0.10),
    Kind("many names", many_names, 0.10),
    Kind("secrets", secrets, 0.10),
    Kind("tunnels", tunnels, 0.10),
    Kind("http2", http2, 0.20),
    Kind("websockets", websockets, 0.10),
    Kind("events", events, 0.20),
    Kind("dying upstreams", dying_upstreams, 0.20),
    Kind("refused", refused, 0.20),
    Kind("reloads", reloads, 2.00),
)


class Traffic:
    """One thread of a kind. `seconds` are the times of its rounds, which whoever samples takes away."""

    def __init__(self, kind: Kind, proxy: RunningProxy, ending: threading.Event) -> None:
        self.kind, self._proxy, self._ending = kind, proxy, ending
        self.requests = self.rounds = 0
        self.failures: list[str] = []
        self._seconds: list[float] = []
        self.thread = threading.Thread(target=self._run, name=kind.name)

    def _run(self) -> None:
        while not self._ending.wait(self.kind.pause):
            begun = perf_counter()
            try:
                self.requests += self.kind.round(self._proxy, self.rounds)
            except Exception as error:
                self.failures.append(f"round {self.rounds}: {type(error).__name__}: {error}")
                self._ending.set()
            self.rounds += 1
            self._seconds.append(perf_counter() - begun)

    def take_seconds(self) -> Sequence[float]:
        """The times of the rounds since it was last asked."""
        taken, self._seconds = self._seconds, []
        return taken
