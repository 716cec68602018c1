"""Handshakes that fail, ends that are announced and ends that are not."""

import asyncio
import gc
import resource
import ssl
import weakref
from collections.abc import AsyncIterator

import pytest
import trustme
from tests.fakes.loopback import (
    LoopbackStreamPair,
    TLSStreamPair,
    client_context,
    closed,
    connected_streams,
    server_context,
)

from iron_proxy.errors import IronProxyError
from iron_proxy.streams import deadlines, tls_stream
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSError, TLSStream

LONG = 5.0


@pytest.fixture(autouse=True)
def short_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)


@pytest.fixture
async def pair() -> AsyncIterator[TLSStreamPair]:
    async with TLSStreamPair() as pair:
        yield pair


@pytest.fixture
async def plain() -> AsyncIterator[LoopbackStreamPair]:
    async with LoopbackStreamPair() as pair:
        yield pair


async def handshakes(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str = "ok.test"
) -> tuple[IronProxyError | None, IronProxyError | None]:
    """How both sides' handshakes end."""
    left, right = await connected_streams()
    ends = await asyncio.gather(
        outcome(TLSStream(left, client, server_side=False, server_name=name)),
        outcome(TLSStream(right, server, server_side=True)),
    )
    await closed(left, right)
    return ends[0], ends[1]


async def outcome(stream: TLSStream) -> IronProxyError | None:
    try:
        await stream.handshake(LONG)
        await stream.write(b"x", LONG)
        await stream.read(LONG)
    except IronProxyError as error:
        return error
    return None


# --- handshakes -----------------------------------------------------------------------------------------------------


async def test_a_certificate_for_another_name_is_refused() -> None:
    ours, theirs = await handshakes(client_context(), server_context("other.test"))

    assert isinstance(ours, TLSError)
    assert "hostname mismatch" in ours.reason.lower()
    assert theirs is not None


async def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    ours, theirs = await handshakes(client_context(), server_context("ok.test", ca=trustme.CA()))

    assert isinstance(ours, TLSError)
    assert "unable to get local issuer certificate" in ours.reason
    assert isinstance(theirs, TLSError)
    assert "unknown ca" in theirs.reason


async def test_two_sides_without_a_common_version_find_out() -> None:
    client, server = client_context(), server_context("ok.test")
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    server.maximum_version = ssl.TLSVersion.TLSv1_2

    ours, theirs = await handshakes(client, server)

    assert isinstance(ours, TLSError)
    assert isinstance(theirs, TLSError)


async def test_what_is_not_tls_fails_the_handshake_and_is_not_quoted(plain: LoopbackStreamPair) -> None:
    tls = TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test")
    await plain.right.write(b"HTTP/1.1 400 secret-token\r\n\r\n", LONG)

    with pytest.raises(TLSError) as caught:
        await tls.handshake(LONG)

    assert "secret" not in str(caught.value)
    assert caught.value.reason


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_a_peer_that_leaves_during_the_handshake_is_noticed(plain: LoopbackStreamPair, ending: str) -> None:
    tls = TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test")
    getattr(plain.right, ending)()

    with pytest.raises(StreamReset):
        await tls.handshake(LONG)


async def test_a_silent_peer_meets_the_deadline_of_the_handshake(plain: LoopbackStreamPair) -> None:
    tls = TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test")

    with pytest.raises(StreamTimeout):
        await tls.handshake(0.02)


async def test_a_trickle_does_not_stretch_the_deadline_of_the_handshake(plain: LoopbackStreamPair) -> None:
    tls = TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test")
    await plain.right.write(bytes.fromhex("160303 4000"), LONG)  # a record of 16 KiB begins

    async with asyncio.TaskGroup() as tasks:
        trickle = tasks.create_task(trickles(plain.right))
        with pytest.raises(StreamTimeout):
            await tls.handshake(0.05)
        trickle.cancel()


async def trickles(stream: SocketStream) -> None:
    while True:
        await stream.write(b"\0", LONG)
        await asyncio.sleep(0.001)  # as fast as it can it would complete the record, on a good day


async def test_a_client_hello_that_was_read_to_choose_a_certificate_is_handed_in(plain: LoopbackStreamPair) -> None:
    client = TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test")

    async def serve() -> None:
        hello = await plain.right.read(LONG)
        plain.right.push_back(hello)
        await TLSStream(plain.right, server_context("ok.test"), server_side=True).handshake(LONG)

    await asyncio.gather(client.handshake(LONG), serve())


async def test_what_stands_behind_a_client_hello_that_was_read_is_handed_in_too(plain: LoopbackStreamPair) -> None:
    client = asyncio.create_task(
        TLSStream(plain.left, client_context(), server_side=False, server_name="ok.test").handshake(LONG)
    )
    record_nobody_encrypted = bytes.fromhex("1703030011") + b"secret-token-123!"
    plain.right.push_back(await plain.right.read(LONG) + record_nobody_encrypted)

    with pytest.raises(TLSError) as caught:
        await TLSStream(plain.right, server_context("ok.test"), server_side=True).handshake(LONG)

    assert "secret" not in str(caught.value)
    await client


async def test_the_facts_of_a_connection_can_be_asked_for(plain: LoopbackStreamPair) -> None:
    ours, theirs = client_context(), server_context("ok.test")
    ours.set_alpn_protocols(["h2", "http/1.1"])
    theirs.set_alpn_protocols(["http/1.1"])
    client = TLSStream(plain.left, ours, server_side=False, server_name="ok.test")
    server = TLSStream(plain.right, theirs, server_side=True)

    await asyncio.gather(client.handshake(LONG), server.handshake(LONG))

    assert client.version == "TLSv1.3"
    assert client.alpn == server.alpn == "http/1.1"
    assert client.peer_certificate()
    assert client.peer == plain.left.peer
    assert client.extra("sockname") == plain.left.extra("sockname")


async def test_a_session_can_be_resumed(pair: TLSStreamPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_stream, "SESSIONS_LEAK", False)
    context, serving = client_context(), server_context("ok.test")
    sessions: list[ssl.SSLSession | None] = [None]
    for _ in range(2):
        left, right = await connected_streams()
        client = TLSStream(left, context, server_side=False, server_name="ok.test", session=sessions[-1])
        server = TLSStream(right, serving, server_side=True)
        await asyncio.gather(client.handshake(LONG), server.handshake(LONG))
        await server.write(b"x", LONG)
        await client.read(LONG)  # TLS 1.3: the ticket comes with the first bytes
        sessions.append(client.session)
        await closed(left, right)

    assert sessions[1] is not None
    assert sessions[2] is not None


async def test_to_read_sessions_loses_no_memory(pair: TLSStreamPair) -> None:
    await pair.left.write(b"x", LONG)
    await pair.right.read(LONG)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(3000):
        assert pair.left.session is None or not tls_stream.SESSIONS_LEAK

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # of 19 MiB that were lost


# --- ends -----------------------------------------------------------------------------------------------------------


async def test_an_end_without_close_notify_is_not_a_clean_one(pair: TLSStreamPair) -> None:
    await pair.left.write(b"half", LONG)
    assert await pair.right.read(LONG) == b"half"

    await pair.below_left.write_end()  # FIN, without a word of TLS

    assert await pair.right.read(LONG) == b""
    assert pair.right.has_ended
    assert not pair.right.ended_cleanly


async def test_a_record_that_was_tampered_with_breaks_the_stream(pair: TLSStreamPair) -> None:
    await pair.below_left.write(bytes.fromhex("170303 0020") + b"x" * 32, LONG)

    with pytest.raises(TLSError):
        await pair.right.read(LONG)


async def test_data_before_a_record_that_was_tampered_with_is_no_whole(pair: TLSStreamPair) -> None:
    await pair.left.write(b"good", LONG)
    await pair.below_left.write(bytes.fromhex("170303 0020") + b"x" * 32, LONG)
    await pair.below_left.write_end()
    while not pair.right.has_ended:
        await asyncio.sleep(0)
    assert await pair.right.read(LONG) == b"good"

    with pytest.raises(TLSError):
        await pair.right.read(LONG)
    assert not pair.right.ended_cleanly


async def test_what_comes_with_the_close_notify_is_still_read(pair: TLSStreamPair) -> None:
    await pair.left.write(b"last", LONG)
    pair.left.close()
    while not pair.right.has_ended:
        await asyncio.sleep(0)

    assert await pair.right.read(LONG) == b"last"
    assert await pair.right.read(LONG) == b""
    assert pair.right.ended_cleanly


# --- reading --------------------------------------------------------------------------------------------------------


async def test_several_records_that_are_here_come_as_one_piece(pair: TLSStreamPair) -> None:
    for _ in range(3):
        await pair.left.write(b"x" * 20_000, LONG)
    received: list[bytes] = []
    while sum(map(len, received)) < 60_000:
        received.append(await pair.right.read(LONG))

    assert max(map(len, received)) > 16 * 1024
    assert max(map(len, received)) <= MAX_PIECE_BYTES + 16 * 1024


async def test_a_large_body_is_encrypted_in_parts_and_arrives_whole(
    pair: TLSStreamPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a MemoryBIO has held once it keeps: a connection is not to weigh what it has sent at once."""
    written: list[int] = []
    write_nowait = SocketStream.write_nowait

    def note(stream: SocketStream, data: bytes) -> bool:
        written.append(len(data))
        return write_nowait(stream, data)

    monkeypatch.setattr(SocketStream, "write_nowait", note)
    body = bytes(range(256)) * (MAX_PIECE_BYTES // 256) + b"the rest"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pair.left.write(body, LONG))
        read = b""
        while len(read) < len(body):
            read += await pair.right.read(LONG)

    assert read == body
    assert len(written) == 5
    assert max(written) < 65 * 1024


async def test_looking_at_an_idle_connection_never_waits(pair: TLSStreamPair) -> None:
    assert pair.left.read_nowait() == b""
    await pair.right.write(b"unasked", LONG)
    while not pair.left.has_unread:
        await asyncio.sleep(0)

    looked = pair.left.read_nowait()
    while not looked:  # the session tickets come first
        await asyncio.sleep(0)
        looked = pair.left.read_nowait()

    assert looked == b"unasked"
    assert not pair.left.has_unread


async def test_ending_our_direction_loses_nothing_that_is_here_already(pair: TLSStreamPair) -> None:
    await pair.left.write(b"before ", LONG)
    await pair.right.write(b"x", LONG)
    assert await pair.left.read(LONG) == b"x"
    while not pair.right.has_unread:
        await asyncio.sleep(0)

    await pair.right.write_end()
    await pair.left.write(b"after", LONG)
    await pair.left.write_end()

    assert b"".join([piece async for piece in pieces(pair.right)]) == b"before after"
    assert pair.right.ended_cleanly


async def pieces(stream: TLSStream) -> AsyncIterator[bytes]:
    while piece := await stream.read(LONG):
        yield piece


class Holder:
    """Has a stream, which calls it when the peer ends: as a pool's connection does."""

    def __init__(self, stream: TLSStream) -> None:
        self.stream = stream
        stream.on_end(self.note_end)

    def note_end(self) -> None:
        pass


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_who_had_a_stream_goes_with_it_and_does_not_wait_for_the_collector(
    pair: TLSStreamPair, ending: str
) -> None:
    """What had been a pool's connection kept its generation's TLS contexts until then, a megabyte each."""
    holder = Holder(pair.left)
    gone = weakref.ref(holder)
    gc.disable()
    try:
        getattr(holder.stream, ending)()
        del holder

        assert gone() is None
    finally:
        gc.enable()
