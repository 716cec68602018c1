"""TCP: questions in pieces, many at once, too long, too slow, too many."""

import asyncio

import pytest
from tests.unit.dns.dns_served import (
    HeldLookups,
    answers,
    framed,
    read_response,
    rest_of,
    serving,
    wire_of,
)

from iron_proxy.dns.streams import MAX_QUERY_BYTES, StreamLimits

TWO_QUESTIONS = framed(wire_of("a.test", 1)) + framed(wire_of("db.test", 2))


@pytest.mark.parametrize("size", [1, 2, 3, 20, 31, len(TWO_QUESTIONS)])
async def test_pipelined_questions_are_answered_however_their_bytes_arrive(size: int) -> None:
    async with serving() as served:
        reader, writer = await served.stream()
        for start in range(0, len(TWO_QUESTIONS), size):
            writer.write(TWO_QUESTIONS[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)

        first, second = await read_response(reader), await read_response(reader)
        writer.close()

    assert (first.id, answers(first)) == (1, ["a.test. 60 IN A 10.0.0.1"])
    assert (second.id, answers(second)) == (2, ["db.test. 60 IN A 10.0.0.7"])


async def test_a_lookup_does_not_hold_up_the_answers_behind_it() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test", 1)) + framed(wire_of("a.test", 2)))

        first = await read_response(reader)
        lookups.release.set()
        second = await read_response(reader)
        writer.close()

    assert (first.id, second.id) == (2, 1)


async def test_a_client_that_has_closed_its_half_still_gets_its_lookup() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test")))
        writer.write_eof()
        await lookups.wait_for(1)
        lookups.release.set()

        message = await read_response(reader)
        assert await rest_of(reader) == b""
        writer.close()

    assert answers(message) == ["p.test. 60 IN A 10.0.0.9"]


@pytest.mark.parametrize("size", [0, 11, MAX_QUERY_BYTES + 1, 65535])
async def test_a_length_that_no_query_has_ends_the_connection(size: int) -> None:
    async with serving() as served:
        reader, writer = await served.stream()
        writer.write(size.to_bytes(2, "big"))

        assert await rest_of(reader) == b""
        writer.close()

    assert [event.reason for event in served.events] == ["a length that no query has"]


async def test_an_idle_connection_is_closed_even_while_it_dribbles() -> None:
    streams = StreamLimits(idle_seconds=0.02)
    async with serving(streams=streams) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("a.test"))[:-1])

        assert await rest_of(reader) == b""
        writer.close()
        assert streams.open == {}


async def test_connections_over_the_cap_are_dropped() -> None:
    async with serving(streams=StreamLimits(in_total=1)) as served:
        first_reader, first = await served.stream()
        first.write(framed(wire_of("a.test")))
        await read_response(first_reader)

        second_reader, second = await served.stream()
        assert await rest_of(second_reader) == b""
        first.write(framed(wire_of("a.test")))
        assert answers(await read_response(first_reader)) == ["a.test. 60 IN A 10.0.0.1"]
        first.close()
        second.close()

    assert [event.reason for event in served.events] == ["too many connections"]


@pytest.mark.slow
async def test_a_client_that_reads_nothing_is_read_no_further() -> None:
    flood = framed(wire_of("a.test")) * 1000
    async with serving(streams=StreamLimits(idle_seconds=0.3)) as served:
        reader, writer = await served.stream()
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # the client's side stops reading on purpose

        for _ in range(2000):  # some 50 MB of answers, far beyond what the kernel keeps for both
            writer.write(flood)
            if writer.transport.get_write_buffer_size() > 1 << 20:
                break
            await asyncio.sleep(0)

        assert writer.transport.get_write_buffer_size() > 0
        writer.transport.abort()


async def test_one_client_leaves_room_for_others() -> None:
    async with serving(streams=StreamLimits(per_client=1)) as served:
        first_reader, first = await served.stream()
        first.write(framed(wire_of("a.test")))
        await read_response(first_reader)

        second_reader, second = await served.stream()
        assert await rest_of(second_reader) == b""
        other_reader, other = await asyncio.open_connection(served.host, served.tcp_port, local_addr=("127.0.0.2", 0))
        other.write(framed(wire_of("a.test")))
        assert answers(await read_response(other_reader)) == ["a.test. 60 IN A 10.0.0.1"]
        for writer in (first, second, other):
            writer.close()

    assert [event.reason for event in served.events] == ["too many connections"]


async def test_a_connection_that_has_ended_makes_room() -> None:
    async with serving(streams=StreamLimits(in_total=1)) as served:
        for _ in range(3):
            reader, writer = await served.stream()
            writer.write(framed(wire_of("a.test")))
            await read_response(reader)
            writer.write_eof()
            assert await rest_of(reader) == b""
            writer.close()

    assert served.events == []
