"""What is dialled is what was judged; what is denied sees no SYN; what is not verified sees no application data."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from ipaddress import ip_network

import pytest
import trustme
from tests.fakes.loopback import RecordingServer, client_context, closed, server_context
from tests.fakes.resolver import Addresses, FakeResolver

from iron_proxy.config.schema import LimitsConfig
from iron_proxy.errors import (
    UpstreamDenied,
    UpstreamTimeout,
    UpstreamTLSError,
    UpstreamUnreachable,
)
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams import deadlines
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream import dialer as dialer_module
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.recent_dials import RecentDials

LONG = 5.0

# As in security/cases.md B.0: 127.0.1.0/24 stays dialable.
DENIED = DenyList([ip_network("127.0.0.0/24"), ip_network("::1/128")])
ALLOWED_HOST, DENIED_HOST, SECOND_HOST = "127.0.1.1", "127.0.0.5", "127.0.1.2"


@pytest.fixture(autouse=True)
def short_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer(ALLOWED_HOST) as server:
        yield server


def build(
    names: Mapping[str, Addresses],
    deny_list: DenyList = DENIED,
    context: ssl.SSLContext | None = None,
    is_own_listener: Callable[[str, int], bool] = lambda address, port: False,
    **limits: float,
) -> Dialer:
    given = LimitsConfig(**limits)  # type: ignore[arg-type]  # no count is a float
    return Dialer(FakeResolver(names), deny_list, context or client_context(), is_own_listener, limits=given)


def permit(host: str, port: int, scheme: str = "http", *, named: bool = False) -> Permit:
    return Permit(Target(host, port), scheme, Admission("a rule", named))


def unused_port(host: str) -> int:
    with socket.create_server((host, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


# --- judging --------------------------------------------------------------------------------------------------------


async def test_the_address_a_name_resolves_to_is_connected_to(server: RecordingServer) -> None:
    stream = await build({"ok.test": [ALLOWED_HOST]}).dial(permit("ok.test", server.port))

    assert isinstance(stream, SocketStream)
    assert stream.peer == f"{ALLOWED_HOST}:{server.port}"
    await closed(stream)


async def test_a_denied_address_sees_no_connection() -> None:
    async with RecordingServer(DENIED_HOST) as server:
        with pytest.raises(UpstreamDenied) as caught:
            await build({"lo.test": [DENIED_HOST]}).dial(permit("lo.test", server.port))
        await asyncio.sleep(0)

        assert server.count == 0
    assert str(caught.value) == (
        f"dial tcp {DENIED_HOST}:{server.port}: denied by upstream_deny_cidrs: {DENIED_HOST} in 127.0.0.0/24"
    )


async def test_an_ipv6_address_is_named_in_brackets() -> None:
    with pytest.raises(UpstreamDenied, match=r"dial tcp \[::1\]:443: denied by upstream_deny_cidrs: ::1 in ::1/128"):
        await build({"lo.test": ["::1"]}).dial(permit("lo.test", 443))


async def test_by_default_loopback_is_denied_unless_the_operator_named_it(server: RecordingServer) -> None:
    dialer = build({"localhost": [ALLOWED_HOST]}, DenyList())

    with pytest.raises(UpstreamDenied):
        await dialer.dial(permit("localhost", server.port))
    stream = await dialer.dial(permit("localhost", server.port, named=True))

    await server.accepted()
    assert server.count == 1
    await closed(stream)


async def test_a_configured_list_overrules_the_operators_own_allowlist() -> None:
    with pytest.raises(UpstreamDenied):
        await build({"lo.test": [DENIED_HOST]}).dial(permit("lo.test", 80, named=True))


async def test_of_several_addresses_only_allowed_ones_are_connected_to() -> None:  # SSRF-06
    async with RecordingServer(ALLOWED_HOST) as allowed, RecordingServer(DENIED_HOST, allowed.port) as forbidden:
        turns = iter([[ALLOWED_HOST, DENIED_HOST], [DENIED_HOST, ALLOWED_HOST]] * 5)
        dialer = build({"multi.test": lambda: next(turns)})
        for _ in range(10):
            stream = await dialer.dial(permit("multi.test", allowed.port))
            assert stream.peer.startswith(ALLOWED_HOST)
            await closed(stream)

        assert allowed.count == 10
        assert forbidden.count == 0


async def test_a_name_is_resolved_once_per_dial_and_what_it_gave_is_what_is_judged() -> None:  # SSRF-07
    async with RecordingServer(ALLOWED_HOST) as allowed, RecordingServer(DENIED_HOST, allowed.port) as forbidden:
        answers = iter([[ALLOWED_HOST], [DENIED_HOST]])
        resolver = FakeResolver({"rebind.test": lambda: next(answers)})
        dialer = Dialer(resolver, DENIED, client_context(), lambda address, port: False)

        stream = await dialer.dial(permit("rebind.test", allowed.port))
        with pytest.raises(UpstreamDenied):
            await dialer.dial(permit("rebind.test", allowed.port))

        assert resolver.asked == ["rebind.test", "rebind.test"]
        assert forbidden.count == 0
        await closed(stream)


@pytest.mark.parametrize("named", [False, True])
async def test_our_own_listeners_are_never_dialled(server: RecordingServer, named: bool) -> None:  # SSRF-09
    own = (ALLOWED_HOST, server.port)
    dialer = build({"self.test": [ALLOWED_HOST]}, DenyList([]), is_own_listener=lambda *address: address == own)

    with pytest.raises(UpstreamDenied, match="listener of this proxy"):
        await dialer.dial(permit("self.test", server.port, named=named))
    await asyncio.sleep(0)

    assert server.count == 0


async def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(UpstreamUnreachable, match=r"lookup nx\.test: no such host"):
        await build({}).dial(permit("nx.test", 80))


async def test_a_name_without_addresses_is_unreachable() -> None:
    with pytest.raises(UpstreamUnreachable, match=r"lookup none\.test"):
        await build({"none.test": []}).dial(permit("none.test", 80))


# --- connecting -----------------------------------------------------------------------------------------------------


async def test_the_next_address_is_tried_when_one_refuses(server: RecordingServer) -> None:
    stream = await build({"ok.test": [SECOND_HOST, ALLOWED_HOST]}).dial(permit("ok.test", server.port))

    assert stream.peer.startswith(ALLOWED_HOST)
    await closed(stream)


async def test_when_all_refuse_the_last_one_is_told() -> None:
    port = unused_port(ALLOWED_HOST)

    with pytest.raises(UpstreamUnreachable) as caught:
        await build({"ok.test": [SECOND_HOST, ALLOWED_HOST]}).dial(permit("ok.test", port))

    assert str(caught.value) == f"dial tcp {ALLOWED_HOST}:{port}: connection refused"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full: a further SYN is not answered."""
    with socket.socket() as listening:
        listening.bind((SECOND_HOST, 0))
        listening.listen(0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for filler in fillers:
            filler.close()


async def test_an_address_that_says_nothing_times_out(silent_port: int) -> None:
    with pytest.raises(UpstreamTimeout):
        await build({"ok.test": [SECOND_HOST]}, connect=0.03).dial(permit("ok.test", silent_port))


async def test_a_silent_address_leaves_time_for_the_next(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer_module, "ATTEMPT_SHARE", 0.001)
    async with RecordingServer(ALLOWED_HOST, silent_port):
        stream = await build({"ok.test": [SECOND_HOST, ALLOWED_HOST]}).dial(permit("ok.test", silent_port))

        assert stream.peer.startswith(ALLOWED_HOST)
        await closed(stream)


async def test_without_a_descriptor_left_one_request_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*arguments: object) -> socket.socket:
        raise OSError(errno.EMFILE, "too many")

    dialer = build({"ok.test": [ALLOWED_HOST]})
    monkeypatch.setattr("iron_proxy.upstream.dialer.socket.socket", exhausted)

    with pytest.raises(UpstreamUnreachable, match=r"^dial tcp .*:80: too many open files$"):
        await dialer.dial(permit("ok.test", 80))


async def test_a_resolver_that_hangs_is_part_of_the_time_to_connect() -> None:
    class Hanging:
        async def resolve(self, host: str) -> list[str]:
            await asyncio.Event().wait()
            return []

    limits = LimitsConfig(connect=0.02)
    dialer = Dialer(Hanging(), DENIED, client_context(), lambda address, port: False, limits=limits)

    with pytest.raises(UpstreamTimeout, match=r"connecting to slow\.test:80 timed out"):
        await dialer.dial(permit("slow.test", 80))


async def test_a_dial_that_is_cancelled_leaves_nothing_open(silent_port: int) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await build({"ok.test": [SECOND_HOST]}).dial(permit("ok.test", silent_port))


# --- TLS ------------------------------------------------------------------------------------------------------------


async def secure_dial(
    server: RecordingServer, context: ssl.SSLContext | None = None, host: str = "ok.test"
) -> SocketStream | TLSStream:
    return await build({host: [ALLOWED_HOST]}, context=context).dial(permit(host, server.port, "https"))


async def test_https_is_verified_and_only_then_written_to() -> None:
    async with RecordingServer(ALLOWED_HOST, tls=server_context("ok.test")) as server:
        stream, accepted = await asyncio.gather(secure_dial(server), server.accepted())
        await stream.write(b"secret", LONG)

        assert isinstance(stream, TLSStream)
        assert await accepted.read(LONG) == b"secret"
        await closed(stream)


async def test_an_ip_address_is_verified_as_one() -> None:
    async with RecordingServer(ALLOWED_HOST, tls=server_context(ALLOWED_HOST)) as server:
        stream, _ = await asyncio.gather(secure_dial(server, host=ALLOWED_HOST), server.accepted())

        await closed(stream)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (lambda: server_context("other.test"), "hostname mismatch"),
        (lambda: server_context("*.ok.test"), "hostname mismatch"),
        (lambda: server_context("ok.test", ca=trustme.CA()), "unable to get local issuer certificate"),
    ],
    ids=["another name", "a wildcard below it", "an unknown authority"],
)
async def test_an_upstream_that_cannot_prove_its_name_sees_no_application_data(
    tls: Callable[[], ssl.SSLContext], reason: str
) -> None:
    async with RecordingServer(ALLOWED_HOST, tls=tls()) as server:
        dialled, received = await asyncio.gather(secure_dial(server), received_by(server), return_exceptions=True)

    assert isinstance(dialled, UpstreamTLSError)
    assert reason in str(dialled).lower()
    assert dialled.status == 502
    assert isinstance(received, StreamReset) or received == b""


async def received_by(server: RecordingServer) -> bytes:
    return await (await server.accepted()).read(LONG)


async def test_an_upstream_that_closes_during_the_handshake_is_a_tls_error(server: RecordingServer) -> None:
    async def close() -> None:
        (await server.accepted()).close()

    dialled, _ = await asyncio.gather(secure_dial(server), close(), return_exceptions=True)

    assert isinstance(dialled, UpstreamTLSError)


async def test_a_handshake_that_does_not_go_on_times_out(server: RecordingServer) -> None:
    dialer = build({"ok.test": [ALLOWED_HOST]}, tls_handshake=0.02)

    with pytest.raises(UpstreamTimeout, match=r"the TLS handshake with ok\.test timed out"):
        await dialer.dial(permit("ok.test", server.port, "https"))

    upstream = await server.accepted()
    with pytest.raises(StreamReset):
        await read_to_end(upstream)


async def read_to_end(stream: SocketStream | TLSStream) -> None:
    while await stream.read(LONG):
        pass


async def test_the_client_hello_names_the_host_and_nothing_else(server: RecordingServer) -> None:
    async def read_hello() -> bytes:
        stream = await server.accepted()
        hello = await stream.read(LONG)
        stream.abort()
        return hello

    _, hello = await asyncio.gather(secure_dial(server), read_hello(), return_exceptions=True)

    assert isinstance(hello, bytes)
    assert b"ok.test" in hello


async def test_a_connection_is_noted_where_somebody_wants_to_know(server: RecordingServer) -> None:
    dials = RecentDials()
    dialer = Dialer(
        FakeResolver({"ok.test": [ALLOWED_HOST]}), DENIED, client_context(), lambda *_: False, recent_dials=dials
    )

    stream = await dialer.dial(permit("ok.test", server.port))

    assert dials.is_own(stream.extra("sockname"), (ALLOWED_HOST, server.port))
    await closed(stream)
