"""DOS: what one client opens or holds costs that client; another is served meanwhile, and all comes back afterwards."""

import os
import selectors
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

from tests.conftest import Fresh, Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request
from tests.fakes.wire_client import TIMEOUT, Way, connect

# Another client than 127.0.0.1, on the same machine.
GREEDY = "127.0.0.77"
LONG = 20.0


def connect_from(source: str, address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, TIMEOUT, (source, 0))


def refused_of(connections: Sequence[socket.socket | None], expected: int) -> int:
    """How many the proxy has reset, once they are as many as expected, or the time is up."""
    refused: set[socket.socket] = set()
    early = connections.count(None)
    with selectors.DefaultSelector() as selector:
        for sock in filter(None, connections):
            selector.register(sock, selectors.EVENT_READ)
        deadline = monotonic() + LONG
        while early + len(refused) < expected and monotonic() < deadline:
            for key, _ in selector.select(1.0):
                selector.unregister(key.fileobj)
                refused.add(key.fileobj)         # type: ignore[arg-type]  # what was registered
    assert all(map(is_reset, refused))
    return early + len(refused)


def is_reset(sock: socket.socket) -> bool:
    try:
        sock.recv(1)
    except ConnectionError:
        return True
    return False


@contextmanager
def opened(source: str, proxy: RunningProxy, listener: str, count: int) -> Iterator[list[socket.socket | None]]:
    """So many connections, of which the proxy may have reset some; None was reset before `connect` had returned."""
    connections = list[socket.socket | None]()
    with ExitStack() as stack:
        for _ in range(count):
            try:
                connections.append(stack.enter_context(connect_from(source, proxy.addresses[listener])))
            except ConnectionResetError:
                connections.append(None)
        yield connections


def wait_until_served_again(source: str, proxy: RunningProxy) -> float:
    """Ask until there is an answer; the seconds that it took."""
    started = monotonic()
    ask = request("/", proxy.authority(Way.HTTP, "ok.test"))
    while monotonic() - started < LONG:
        # A connection that is refused can be gone before `connect` has returned.
        with suppress(ConnectionError), connect_from(source, proxy.addresses["http"]) as sock:
            sock.sendall(ask)
            if sock.recv(1000).startswith(b"HTTP/1.1 200 "):
                proxy.started += 1
                return monotonic() - started
    raise AssertionError("not served again in time")


def timed(proxy: RunningProxy) -> float:
    started = monotonic()
    assert proxy.ask(Way.HTTP).status == 200
    return monotonic() - started


def settled_descriptors(proxy: RunningProxy, most: int) -> int:
    """How many are open, once there are few enough or the time is up."""
    deadline = monotonic() + LONG
    while (count := proxy.descriptors()) > most and monotonic() < deadline:
        pass
    return count


def resident(proxy: RunningProxy) -> int:
    pages = int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_dos_18_one_client_takes_its_share_and_another_is_served(running: Running) -> None:
    proxy = running(limits={"connections": 60, "connections_per_client": 20})
    before = proxy.descriptors()

    with opened(GREEDY, proxy, "http", 30) as plain, opened(GREEDY, proxy, "tunnel", 30) as tunnels:
        refused = refused_of([*plain, *tunnels], 40)
        slowest = max(timed(proxy) for _ in range(10))
        assert proxy.ask(Way.CONNECT_TLS).status == 200
        events = [proxy.wait_for_event("limit")]
        while sum(event["limit"]["refused"] for event in events) < 40:
            events = proxy.wait_for_events(len(events) + 1)

    assert refused == 40                         # its share counts on all listeners together
    assert slowest < 1.0
    assert {event["remote_addr"] for event in events} == {GREEDY}
    assert {event["limit"]["name"] for event in events} == {"limits.connections_per_client"}
    assert sum(event["limit"]["refused"] for event in events) == 40
    assert len(events) <= 4                      # one a second, however many there are
    counted = proxy.get_page("/metrics")[1].decode()
    assert 'iron_proxy_limit_refusals_total{limit="limits.connections_per_client"} 40.0' in counted
    assert wait_until_served_again(GREEDY, proxy) < LONG
    assert settled_descriptors(proxy, before + 10) <= before + 10


def test_dos_18_all_clients_together_have_an_end_too(running: Running) -> None:
    proxy = running(limits={"connections": 30, "connections_per_client": 20})

    with opened(GREEDY, proxy, "http", 20), opened("127.0.0.78", proxy, "http", 20) as second:
        refused = refused_of(second, 10)
        event = proxy.wait_for_event("limit")

    assert refused == 10
    assert sum(event["limit"]["refused"] for event in proxy.events()) == 10      # none of the first one's
    assert (event["remote_addr"], event["limit"]["name"]) == ("127.0.0.78", "limits.connections")
    assert wait_until_served_again(GREEDY, proxy) < LONG


def test_dos_01_heads_that_trickle_end_at_their_deadline_and_others_are_served(running: Running) -> None:
    proxy = running(limits={"request_head": "1s"})
    started = monotonic()
    trickling = [connect(proxy.addresses["http"]) for _ in range(100)]
    proxy.started += len(trickling)
    for sock in trickling:
        sock.sendall(b"GET / HT")
    slowest = max(timed(proxy) for _ in range(10))
    answers = []
    for sock in trickling:
        answers.append(sock.recv(1000))
        sock.close()

    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert monotonic() - started >= 0.9          # not before it is due
    assert slowest < 1.0


def test_dos_04_idle_connections_cost_little_and_all_comes_back(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    for _ in range(20):
        timed(proxy)                             # what is built once is built
    descriptors, memory = proxy.descriptors(), resident(proxy)

    with opened(GREEDY, proxy, "http", 1000):
        assert timed(proxy) < 1.0
        assert proxy.descriptors() >= descriptors + 900
        held = resident(proxy) - memory

    assert held / 1000 < 20 * 1024, f"{held / 1000:.0f} bytes for an idle connection"
    assert settled_descriptors(proxy, descriptors + 2) <= descriptors + 2


def test_dos_15_resets_half_handshakes_and_denials_leave_nothing(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    timed(proxy)
    before = proxy.descriptors()

    for _ in range(300):
        with connect(proxy.addresses["http"]) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(300):
        with connect(proxy.addresses["https"]) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    statuses = {proxy.ask(Way.HTTP, host="forbidden.test").status for _ in range(300)}

    assert statuses == {403}
    assert timed(proxy) < 1.0
    assert settled_descriptors(proxy, before + 2) <= before + 2
    proxy.settle()


def test_what_stands_behind_a_malformed_request_is_not_kept(proxy: RunningProxy) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: ok.test\r\n: x\r\n\r\n" + b"y" * 200_000
    timed(proxy)

    for _ in range(500):
        with proxy.open(Way.HTTP, "ok.test") as session:
            proxy.started += 1
            session.send(raw)
            assert session.read_answer().status in (0, 400)
        proxy.sessions.clear()

    # O5 looks at the memory: it was 50 MiB, until the collector of cycles came by.


def test_dos_06_with_few_descriptors_a_client_cannot_take_them_all(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    proxy = RunningProxy(base_config(internet, proxy_ca), tmp_path, internet, proxy_ca)
    proxy.prefix = ["prlimit", "--nofile=256:256"]
    try:
        proxy.start()
        with opened(GREEDY, proxy, "http", 400) as held:
            refused = refused_of(held, 400 - 72)
            spent, waited = spending(proxy, 1.0)
            slowest = max(timed(proxy) for _ in range(5))
        again = wait_until_served_again(GREEDY, proxy)
        proxy.ask_to_stop()
        proxy.stop()
    finally:
        proxy.kill()

    assert refused == 400 - 72                   # three quarters of (256 - 64) / 2
    assert slowest < 1.0
    assert again < 1.0
    assert spent < 0.2 * waited, "it spins"
    assert len(proxy.lines) < 100, "the log was flooded"


def spending(proxy: RunningProxy, seconds: float) -> tuple[float, float]:
    """(CPU seconds, seconds) of a process while one connection that says nothing is waited for."""
    before, started = cpu_seconds(proxy), monotonic()
    with connect(proxy.addresses["http"]) as quiet:
        quiet.settimeout(seconds)
        with suppress(TimeoutError):
            quiet.recv(1)
    return cpu_seconds(proxy) - before, monotonic() - started


def cpu_seconds(proxy: RunningProxy) -> float:
    fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_dos_bodies_that_are_held_for_a_transform_are_bounded_and_another_client_finds_room(running: Running) -> None:
    captures = {"name": "body_capture", "config": {"max_request_body_bytes": 1 << 20, "rules": [{"host": "ok.test"}]}}
    proxy = running(limits={"body_memory": "4MiB"}, transforms=[allowlist(), captures])
    host = proxy.authority(Way.HTTP, "ok.test")
    part = b"x" * 900_000
    before = len(proxy.lines)
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n".encode()

    with opened(GREEDY, proxy, "http", 8) as uploads:
        proxy.started += len(uploads)
        assert None not in uploads               # it is not connections that are limited here
        for sock in filter(None, uploads):
            sock.sendall(head)
            with suppress(ConnectionError):      # refused, and the rest of its body unread
                sock.sendall(part)
        refused = proxy.wait_for(lambda line: line.get("status_code") == 503, start=before)
        answer = proxy.ask(Way.HTTP, method="POST", body=b"y" * 900_000)
        waiting = len(uploads) - sum(record["status_code"] == 503 for record in proxy.records())

    assert (refused["action"], refused["reason"]) == ("reject", "too much of request bodies is held at the moment")
    assert answer.status == 200                  # another client, for whom there is a MiB left
    assert waiting >= 2                          # and of the greedy one's what fits is held
    assert proxy.new_records()
    assert uploaded(GREEDY, proxy, head + b"z" * 1_000_000).startswith(b"HTTP/1.1 200 ")


def uploaded(source: str, proxy: RunningProxy, message: bytes) -> bytes:
    """The answer to an upload, once there is room for it again."""
    deadline = monotonic() + LONG
    while True:
        proxy.started += 1
        answer = b""
        with suppress(ConnectionError), connect_from(source, proxy.addresses["http"]) as sock:
            sock.sendall(message)
            answer = sock.recv(1000)
        if answer.startswith(b"HTTP/1.1 200 ") or monotonic() > deadline:
            return answer
