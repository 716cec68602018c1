"""Passthrough lookups against real name servers on loopback: order, deadline, cache, one flight per question."""

import asyncio
import logging
from collections.abc import Sequence

import dns.message
import pytest
from tests.fakes.name_server import ScriptedNameServer, reply_to

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Forward
from iron_proxy.dns.forwarding import Forwarded, Forwarder
from iron_proxy.dns.messages import EMPTY, Record, address_record, build_tail, serialize_name, soa_record
from iron_proxy.dns.upstream_query import Server

ASKED = Forward("ok.test", messages.A)
RECORD = Record(messages.A, b"\x0a\0\0\x09", ttl=60)


class Servers:
    """Name servers, and hosts that nobody is asked for."""

    def __init__(self, *servers: ScriptedNameServer, hosts: dict[str, Sequence[str]] | None = None) -> None:
        self._servers = [Server(*server.address) for server in servers]
        self._hosts = hosts or {}

    def servers(self) -> Sequence[Server]:
        return self._servers

    def local_addresses(self, host: str) -> Sequence[str]:
        return self._hosts.get(host, ())


def honest(query: bytes, transport: str) -> list[bytes]:
    name = dns.message.from_wire(query).question[0].name.to_text().lower()
    return [reply_to(query, [f"{name} 60 IN A 10.0.0.9"])]


def silent(query: bytes, transport: str) -> list[bytes]:
    return []


def failing(query: bytes, transport: str) -> list[bytes]:
    return [reply_to(query, rcode="SERVFAIL")]


def cut_short(query: bytes, transport: str) -> list[bytes]:
    return [query[:2] + b"\x81\x80" + query[4:-3]]


def unknown(query: bytes, transport: str) -> list[bytes]:
    return [reply_to(query, [], ["test. 60 IN SOA ns.test. a.test. 1 2 3 4 30"], "NXDOMAIN")]


def text_of(server: ScriptedNameServer) -> str:
    return f"127.0.0.1:{server.address[1]}"


async def test_records_come_with_their_lifetime_and_who_said_so() -> None:
    async with ScriptedNameServer(honest) as server:
        forwarded = await Forwarder(Servers(server)).look_up(ASKED)

    assert forwarded == Forwarded(messages.NOERROR, build_tail([RECORD]), text_of(server))


async def test_what_has_been_found_is_known_with_the_time_that_is_left() -> None:
    async with ScriptedNameServer(honest) as server:
        forwarder = Forwarder(Servers(server))
        assert forwarder.known(ASKED) is None
        await forwarder.look_up(ASKED)

    assert forwarder.known(ASKED) == Forwarded(messages.NOERROR, build_tail([RECORD]), "cache")
    assert forwarder.known(Forward("ok.test", messages.AAAA)) is None


async def test_a_name_that_does_not_exist_stays_so_and_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedNameServer(unknown) as server:
        forwarder = Forwarder(Servers(server))
        forwarded = await forwarder.look_up(ASKED)

    nothing = build_tail((), [soa_record(30)])
    assert forwarded == Forwarded(messages.NXDOMAIN, nothing, text_of(server))
    assert forwarder.known(ASKED) == Forwarded(messages.NXDOMAIN, nothing, "cache")
    assert caplog.records == []


async def test_aliases_stand_before_the_records() -> None:
    owner = serialize_name("ok.test")
    alias = Record(messages.CNAME, owner)
    async with ScriptedNameServer(honest) as server:
        forwarded = await Forwarder(Servers(server)).look_up(Forward("ok.test", messages.A, (alias,), owner))

    assert forwarded.tail == build_tail([alias, RECORD._replace(owner=owner)])


async def test_a_name_of_the_hosts_file_is_known() -> None:
    forwarder = Forwarder(Servers(hosts={"ok.test": ["10.0.0.7", "fd00::7"]}))

    assert forwarder.known(ASKED) == Forwarded(messages.NOERROR, build_tail([address_record("10.0.0.7")]), "hosts")
    assert forwarder.known(Forward("ok.test", messages.AAAA)) == Forwarded(
        messages.NOERROR, build_tail([address_record("fd00::7")]), "hosts"
    )
    assert forwarder.known(Forward("ok.test", messages.HTTPS)) == Forwarded(messages.NOERROR, EMPTY, "hosts")


@pytest.mark.parametrize("first", [silent, failing, cut_short])
async def test_the_next_server_is_asked_and_then_first(first: object) -> None:
    async with ScriptedNameServer(first) as bad, ScriptedNameServer(honest) as good:  # type: ignore[arg-type]
        forwarder = Forwarder(Servers(bad, good), try_seconds=0.05)
        forwarded = await forwarder.look_up(ASKED)
        await forwarder.look_up(Forward("other.test", messages.A))

    assert forwarded.upstream == text_of(good)
    asked = [len({query[:2] for query, _ in server.queries}) for server in (bad, good)]
    assert asked == [1, 2]


async def test_one_server_is_asked_twice() -> None:
    replies = iter([silent, honest])

    def second_time(query: bytes, transport: str) -> list[bytes]:
        return next(replies)(query, transport)

    async with ScriptedNameServer(second_time) as server:
        forwarded = await Forwarder(Servers(server), try_seconds=0.05).look_up(ASKED)

    assert forwarded.rcode == messages.NOERROR
    assert len({query for query, _ in server.queries}) == 2  # another number, other capitals


@pytest.mark.parametrize(
    ("script", "reason"),
    [(failing, "the server says SERVFAIL"), (silent, "timed out")],
    ids=["failure", "silence"],
)
@pytest.mark.parametrize("deadline", [5.0, 0.03], ids=["after all tries", "when there is no time left"])
async def test_a_failed_lookup_is_a_server_failure_with_a_warning(
    script: object, reason: str, deadline: float, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedNameServer(script) as server:  # type: ignore[arg-type]
        forwarder = Forwarder(Servers(server), try_seconds=0.02, deadline=deadline)
        forwarded = await forwarder.look_up(ASKED)

    assert forwarded == Forwarded(messages.SERVFAIL, EMPTY, text_of(server), reason)
    assert forwarder.known(ASKED) is None
    [record] = caplog.records
    assert (record.name, record.levelno) == ("iron_proxy.dns", logging.WARNING)
    assert record.getMessage() == "dns passthrough lookup failed"
    assert record.__dict__["fields"] == {"name": "ok.test", "error": f"lookup ok.test: {reason}"}


async def test_a_question_that_many_ask_goes_out_once() -> None:
    async with ScriptedNameServer(honest) as server, asyncio.TaskGroup() as tasks:
        forwarder = Forwarder(Servers(server))
        asking = [tasks.create_task(forwarder.look_up(ASKED)) for _ in range(20)]
        other = tasks.create_task(forwarder.look_up(Forward("other.test", messages.A)))
        await asyncio.wait([*asking, other])

    assert len(server.queries) == 2
    assert {task.result() for task in asking} == {Forwarded(messages.NOERROR, build_tail([RECORD]), text_of(server))}


async def test_who_waits_for_anothers_question_may_leave() -> None:
    async with ScriptedNameServer(honest) as server, asyncio.TaskGroup() as tasks:
        forwarder = Forwarder(Servers(server))
        first = tasks.create_task(forwarder.look_up(ASKED))
        second = tasks.create_task(forwarder.look_up(ASKED))
        await asyncio.sleep(0)
        second.cancel()
        assert (await first).rcode == messages.NOERROR


async def test_when_the_one_who_asks_is_stopped_all_are() -> None:
    async with ScriptedNameServer(silent) as server:
        forwarder = Forwarder(Servers(server))
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(forwarder.look_up(ASKED))
            second = tasks.create_task(forwarder.look_up(ASKED))
            await asyncio.sleep(0)
            first.cancel()

    assert (first.cancelled(), second.cancelled()) == (True, True)


async def test_a_bug_reaches_everybody_who_waits() -> None:
    class BrokenServers(Servers):
        def servers(self) -> Sequence[Server]:
            raise LookupError

    forwarder = Forwarder(BrokenServers())

    for _ in range(2):  # the second time anew
        with pytest.raises(LookupError):
            await forwarder.look_up(ASKED)
