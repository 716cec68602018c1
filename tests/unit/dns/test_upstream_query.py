"""One question to one name server: what is taken for its reply, and what is not."""

import asyncio
import socket

import dns.message
import pytest
from tests.fakes.name_server import ScriptedNameServer, reply_to

from iron_proxy.dns.messages import AAAA, A, parse_query
from iron_proxy.dns.upstream_query import MAX_MISFITS, MAX_REPLY_BYTES, Question, Server, ask
from iron_proxy.errors import UpstreamProtocolError, UpstreamUnreachable

ANSWER = ["ok.test. 60 IN A 10.0.0.9"]
HOST = "a-name-with-many-letters.in-it.test"  # two of whose spellings are never the same by chance


def honest(query: bytes, transport: str) -> list[bytes]:
    return [reply_to(query, ANSWER)]


def question(host: str = "ok.test") -> Question:
    return Question.build(host, A)


def addresses(reply: bytes) -> list[str]:
    return [record.address for rrset in dns.message.from_wire(reply).answer for record in rrset]


def test_a_question_cannot_be_foreseen() -> None:
    questions = [Question.build(HOST, A) for _ in range(50)]

    assert len({each.number for each in questions}) > 40
    assert len({each.name for each in questions}) == 50
    assert {each.name.lower() for each in questions} == {b"\x18a-name-with-many-letters\x05in-it\x04test\0"}


def test_a_question_is_a_query_that_anybody_understands() -> None:
    asked = Question.build("ok.test", AAAA)
    message = dns.message.from_wire(asked.serialize())
    own = parse_query(asked.serialize(edns=False))

    assert (message.id, message.question[0].rdtype, message.edns, message.payload) == (asked.number, AAAA, 0, 1232)
    assert message.question[0].name.to_text().encode() == b"%s.%s." % (asked.name[1:3], asked.name[4:8])
    assert own.name == b"\x02ok\x04test\0"  # type: ignore[union-attr]


def test_only_the_very_question_with_its_capitals_is_answered() -> None:
    asked = Question(0x1234, b"\x02oK\x04TesT\0", A)
    reply = reply_to(asked.serialize(), ANSWER)

    assert asked.is_answered_by(reply)
    for other in (
        b"\x12\x35" + reply[2:],
        reply[:2] + b"\x01" + reply[3:],
        reply[:2] + b"\x89" + reply[3:],
        reply[:4] + b"\0\2" + reply[6:],
        reply.replace(b"oK", b"ok"),
        reply.replace(b"TesT\0\0\1", b"TesT\0\0\2"),
        reply[:14],
        reply[:11],
        b"",
    ):
        assert not asked.is_answered_by(other)
    assert asked.is_answered_by(reply.replace(b"oK", b"OK"), in_any_case=True)
    assert not asked.is_answered_by(reply.replace(b"oK", b"no"), in_any_case=True)


async def test_the_reply_comes_back() -> None:
    async with ScriptedNameServer(honest) as server:
        assert addresses(await ask(Server(*server.address), question())) == ["10.0.0.9"]

    assert [transport for _, transport in server.queries] == ["udp"]


async def test_forged_replies_are_waited_past() -> None:
    def forger_first(query: bytes, transport: str) -> list[bytes]:
        forged = reply_to(query, ["ok.test. 60 IN A 6.6.6.6"])
        wrong_number = bytes((forged[0] ^ 1,)) + forged[1:]
        other_name = forged.replace(query[13:15], b"no")
        return [wrong_number, other_name, query, b"", forged[:11], *honest(query, transport)]

    async with ScriptedNameServer(forger_first) as server:
        assert addresses(await ask(Server(*server.address), question())) == ["10.0.0.9"]


async def test_a_reply_from_another_address_is_not_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as server:
        forger.bind(("127.0.0.1", 0))
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(Server(*server.getsockname()), question()))
            query, client = await asyncio.to_thread(server.recvfrom, 512)
            forger.sendto(reply_to(query, ["ok.test. 60 IN A 6.6.6.6"]), client)
            server.sendto(reply_to(query, ANSWER), client)

    assert addresses(asking.result()) == ["10.0.0.9"]


@pytest.mark.parametrize(
    "misfits",
    [
        lambda query: [reply_to(query[:12] + query[12:].swapcase(), ["ok.test. 60 IN A 6.6.6.6"])],
        lambda query: [b"\0\0\x81\0" + bytes(8)] * MAX_MISFITS,
        lambda query: [reply_to(query, [f"ok.test. 60 IN A 10.1.{n}.1" for n in range(120)])],
    ],
    ids=["the same name in other capitals", "a flood of guesses", "a datagram longer than we said"],
)
async def test_where_somebody_may_be_guessing_the_question_goes_over_tcp(misfits: object) -> None:
    def script(query: bytes, transport: str) -> list[bytes]:
        return honest(query, transport) if transport == "tcp" else misfits(query)  # type: ignore[operator]

    async with ScriptedNameServer(script) as server:
        assert addresses(await ask(Server(*server.address), question(HOST))) == ["10.0.0.9"]

    assert [transport for _, transport in server.queries] == ["udp", "tcp"]


async def test_a_truncated_reply_is_asked_for_again_over_tcp() -> None:
    def script(query: bytes, transport: str) -> list[bytes]:
        reply = reply_to(query, ANSWER if transport == "tcp" else [])
        return [reply if transport == "tcp" else reply[:2] + bytes((reply[2] | 2,)) + reply[3:]]

    async with ScriptedNameServer(script) as server:
        assert addresses(await ask(Server(*server.address), question())) == ["10.0.0.9"]


@pytest.mark.parametrize("rcode", [1, 4], ids=["FORMERR", "NOTIMP"])
async def test_a_server_that_knows_no_edns_is_asked_without_it(rcode: int) -> None:
    def script(query: bytes, transport: str) -> list[bytes]:
        has_edns = query[10:12] == b"\0\1"
        return [query[:2] + bytes((0x81, rcode)) + bytes(8)] if has_edns else honest(query, transport)

    async with ScriptedNameServer(script) as server:
        assert addresses(await ask(Server(*server.address), question())) == ["10.0.0.9"]

    assert len(server.queries) == 2


async def test_a_server_that_does_not_keep_the_capitals_is_understood_over_tcp() -> None:
    def script(query: bytes, transport: str) -> list[bytes]:
        return [reply_to(query[:12] + query[12:].lower(), ["ok.test. 60 IN A 10.0.0.9"])]

    async with ScriptedNameServer(script) as server:
        assert addresses(await ask(Server(*server.address), question(HOST))) == ["10.0.0.9"]


def truncated_then(over_tcp: object) -> object:
    def script(query: bytes, transport: str) -> list[bytes]:
        return [query[:2] + b"\x83" + query[3:]] if transport == "udp" else over_tcp(query)  # type: ignore[operator]

    return script


@pytest.mark.parametrize(
    ("over_tcp", "error", "text"),
    [
        (lambda query: [], UpstreamUnreachable, "connection closed before the reply was complete"),
        (lambda query: [b"x" * (MAX_REPLY_BYTES + 1)], UpstreamProtocolError, "a reply too long to be taken"),
        (lambda query: [b"\0\0" + reply_to(query)[2:]], UpstreamProtocolError, "a reply to something else"),
        (lambda query: [b""], UpstreamProtocolError, "a reply to something else"),
    ],
    ids=["the end", "too long", "another number", "nothing"],
)
async def test_what_is_no_reply_over_tcp_is_an_error(over_tcp: object, error: type[Exception], text: str) -> None:
    async with ScriptedNameServer(truncated_then(over_tcp)) as server:  # type: ignore[arg-type]
        asked = Question(0x1234, b"\x02ok\x04test\0", A)
        with pytest.raises(error, match=text):
            await ask(Server(*server.address), asked)


async def test_where_nobody_listens_is_known_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()

    with pytest.raises(UpstreamUnreachable, match="connection refused"):
        await ask(Server(*address), question())


async def test_servers_on_ipv6_are_asked_too() -> None:
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with sock:
        sock.settimeout(5)
        server = Server(*sock.getsockname()[:2])
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(server, question()))
            query, client = await asyncio.to_thread(sock.recvfrom, 512)
            sock.sendto(reply_to(query, ANSWER), client)

    assert addresses(asking.result()) == ["10.0.0.9"]
    assert str(server) == f"[::1]:{server.port}"


async def test_a_lookup_that_is_given_up_leaves_no_socket() -> None:
    """An unclosed socket is a warning, and warnings are errors."""
    async with ScriptedNameServer(lambda query, transport: []) as server:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await ask(Server(*server.address), question())
