"""The wire format: what is read from a packet, what is refused, what is sent; dnspython reads what we write."""

import struct

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.dns import messages
from iron_proxy.dns.messages import (
    EMPTY,
    MAX_TCP_BYTES,
    Query,
    Record,
    Unanswerable,
    address_record,
    build_tail,
    empty_tail,
    name_text,
    parse_query,
    serialize_name,
    serialize_response,
)

NAME = b"\x02Ok\x04test\0"
QUESTION = NAME + b"\0\1\0\1"
OPT = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0)
TSIG = b"\0" + struct.pack("!HHIH", 250, 255, 0, 3) + b"\xff\xff\xff"


def packet(
    *sections: bytes,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    flags: bytes = b"\x01\x00",
) -> bytes:
    return b"\x12\x34" + flags + struct.pack("!HHHH", *counts) + b"".join(sections)


def parsed(wire: bytes) -> Query:
    query = parse_query(wire)
    assert isinstance(query, Query)
    return query


def test_a_question_is_read_with_its_name_in_lower_case_and_its_spelling_kept() -> None:
    query = parsed(packet(QUESTION))

    assert query.name == b"\x02ok\x04test\0"
    assert query.question == QUESTION
    assert (query.record_type, query.record_class) == (1, 1)


@pytest.mark.parametrize(
    ("wire", "limit"),
    [
        (packet(QUESTION), 512),
        (packet(QUESTION, b"\0" + struct.pack("!HHIH", 41, 100, 0, 0), counts=(1, 0, 0, 1)), 512),
        (packet(QUESTION, b"\0" + struct.pack("!HHIH", 41, 900, 0, 0), counts=(1, 0, 0, 1)), 900),
        (packet(QUESTION, b"\0" + struct.pack("!HHIH", 41, 65535, 0, 0), counts=(1, 0, 0, 1)), 1232),
    ],
    ids=["without EDNS", "EDNS below the minimum", "EDNS between", "EDNS above our own cap"],
)
def test_the_udp_limit_follows_the_edns_size_within_bounds(wire: bytes, limit: int) -> None:
    assert parsed(wire).udp_limit == limit


MALFORMED = [
    ("no bytes", b"", None),
    ("one byte", b"\x12", None),
    ("eleven bytes", packet()[:11], None),
    ("an answer", packet(QUESTION, flags=b"\x81\x00"), None),
    ("header only", packet(), "FORMERR"),
    ("no question", packet(counts=(0, 0, 0, 0)), "FORMERR"),
    ("two questions", packet(QUESTION, QUESTION, counts=(2, 0, 0, 0)), "FORMERR"),
    ("65535 questions", packet(QUESTION, counts=(65535, 0, 0, 0)), "FORMERR"),
    ("a pointer to itself", packet(b"\xc0\x0c\0\1\0\1"), "FORMERR"),
    ("a forward pointer", packet(b"\xc0\x20\0\1\0\1"), "FORMERR"),
    ("a label of 64", packet(b"\x40" + b"a" * 64 + b"\0\0\1\0\1"), "FORMERR"),
    ("a name of 256", packet((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0\0\1\0\1"), "FORMERR"),
    ("a name without an end", packet(b"\x02ok\x04test"), "FORMERR"),
    ("a label cut off", packet(b"\x09ok"), "FORMERR"),
    ("a type cut off", packet(NAME + b"\0"), "FORMERR"),
    ("a class cut off", packet(NAME + b"\0\1\0"), "FORMERR"),
    ("bytes after the question", packet(QUESTION, b"\0"), "FORMERR"),
    ("65,507 bytes", packet(QUESTION).ljust(65507, b"\0"), "FORMERR"),
    ("65,507 bytes of labels", packet(b"\1a" * 32747), "FORMERR"),
    ("an answer section", packet(QUESTION, b"\0\0\1\0\1\0\0\0\0\0\0", counts=(1, 1, 0, 0)), "FORMERR"),
    ("three additional records", packet(QUESTION, OPT, counts=(1, 0, 0, 3)), "FORMERR"),
    ("OPT announced and missing", packet(QUESTION, counts=(1, 0, 0, 1)), "FORMERR"),
    ("OPT cut off", packet(QUESTION, OPT[:-1], counts=(1, 0, 0, 1)), "FORMERR"),
    ("OPT data cut off", packet(QUESTION, OPT[:-2] + b"\0\4ab", counts=(1, 0, 0, 1)), "FORMERR"),
    ("OPT twice", packet(QUESTION, OPT, OPT, counts=(1, 0, 0, 2)), "FORMERR"),
    ("OPT with a name", packet(QUESTION, b"\1a" + OPT, counts=(1, 0, 0, 1)), "FORMERR"),
    ("OPT as authority", packet(QUESTION, OPT, counts=(1, 0, 1, 0)), "FORMERR"),
    ("bytes after OPT", packet(QUESTION, OPT, b"\0", counts=(1, 0, 0, 1)), "FORMERR"),
    ("a record with a label of 64", packet(QUESTION, b"\x40" + b"a" * 90, counts=(1, 0, 0, 1)), "FORMERR"),
    ("a record without an end", packet(QUESTION, b"\1a\1a", counts=(1, 0, 0, 1)), "FORMERR"),
    ("TSIG garbage", packet(QUESTION, TSIG, counts=(1, 0, 0, 1)), "FORMERR"),
    ("EDNS version 1", packet(QUESTION, b"\0\0\x29\x10\0\0\1\0\0\0\0", counts=(1, 0, 0, 1)), "BADVERS"),
    *[(f"opcode {opcode}", packet(QUESTION, flags=bytes((opcode << 3, 0))), "NOTIMP") for opcode in range(1, 16)],
]


@pytest.mark.parametrize(
    ("wire", "rcode"), [(wire, rcode) for _, wire, rcode in MALFORMED], ids=[name for name, _, _ in MALFORMED]
)
def test_a_packet_that_holds_no_question_is_refused_or_dropped(wire: bytes, rcode: str | None) -> None:
    query = parse_query(wire)

    assert isinstance(query, Unanswerable)
    if rcode is None:
        assert query.reply is None
        return
    assert query.reply is not None
    reply = dns.message.from_wire(query.reply)
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert query.reply[:2] == wire[:2]
    assert query.reply[2] & 0xF8 == 0x80 | (wire[2] & 0x78)
    assert len(query.reply) <= len(wire)


def test_records_beside_the_question_are_stepped_over() -> None:
    soa = b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, 0, 2) + b"ab"

    query = parsed(packet(QUESTION, soa, OPT, counts=(1, 0, 1, 1)))

    assert query.edns_size == 4096


def test_without_an_opt_other_records_change_nothing() -> None:
    other = b"\1a\0" + struct.pack("!HHIH", 1, 1, 0, 0)

    assert parsed(packet(QUESTION, other, counts=(1, 0, 0, 1))).udp_limit == 512


@pytest.mark.parametrize("flags", [b"\0\0", b"\1\0", b"\0\x10", b"\1\x10"], ids=["none", "RD", "CD", "RD and CD"])
def test_the_answer_copies_the_id_the_question_rd_and_cd(flags: bytes) -> None:
    query = parsed(packet(QUESTION, flags=flags))

    response = serialize_response(query, 0, build_tail([address_record("127.0.0.1")]), 512)

    message = dns.message.from_wire(response)
    assert response[:2] == b"\x12\x34"
    assert response[2:4] == bytes((0x84 | flags[0], flags[1]))
    assert response[12 : 12 + len(QUESTION)] == QUESTION
    assert message.answer[0].to_text() == "Ok.test. 60 IN A 127.0.0.1"


@pytest.mark.parametrize(
    ("rcode", "is_authoritative"),
    [(messages.NOERROR, True), (messages.NXDOMAIN, True), (messages.SERVFAIL, False), (messages.REFUSED, False)],
    ids=["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"],
)
def test_only_an_answer_is_authoritative(rcode: int, is_authoritative: bool) -> None:
    message = dns.message.from_wire(serialize_response(parsed(packet(QUESTION)), rcode, EMPTY, 512))

    assert message.rcode() == rcode
    assert bool(message.flags & dns.flags.AA) is is_authoritative


def test_a_query_with_edns_is_answered_with_edns() -> None:
    query = parsed(packet(QUESTION, OPT, counts=(1, 0, 0, 1)))

    message = dns.message.from_wire(serialize_response(query, 0, EMPTY, 1232))

    assert (message.edns, message.payload) == (0, 1232)


@pytest.mark.parametrize(
    "wire", [packet(QUESTION), packet(QUESTION, OPT, counts=(1, 0, 0, 1))], ids=["without EDNS", "with EDNS"]
)
def test_an_answer_over_the_limit_is_truncated_to_the_question(wire: bytes) -> None:
    query = parsed(wire)
    tail = build_tail(address_record(f"10.0.{i}.1") for i in range(100))

    cut, whole = (serialize_response(query, 0, tail, limit) for limit in (query.udp_limit, MAX_TCP_BYTES))

    message = dns.message.from_wire(cut)
    assert len(cut) <= query.udp_limit
    assert message.flags & dns.flags.TC
    assert message.answer == []
    assert len(dns.message.from_wire(whole).answer[0]) == 100


@pytest.mark.parametrize("size", range(1, 64))
def test_an_empty_answer_never_doubles_the_question(size: int) -> None:
    query = parsed(packet(bytes((size,)) + b"a" * size + b"\0\0\x1c\0\1"))

    response = serialize_response(query, 0, empty_tail(query), 512)

    assert len(response) <= 2 * len(query.packet)


def test_an_empty_answer_to_a_name_of_usual_length_can_be_cached() -> None:
    query = parsed(packet(b"\x03api\x07example\x03com\0\0\x1c\0\1", OPT, counts=(1, 0, 0, 1)))

    message = dns.message.from_wire(serialize_response(query, 0, empty_tail(query), 512))

    assert message.authority[0].to_text() == "api.example.com. 60 IN SOA . . 1 3600 600 86400 60"


def test_a_record_of_another_owner_carries_its_name() -> None:
    tail = build_tail(
        [Record(messages.CNAME, serialize_name("b.test")), address_record("::1", serialize_name("b.test"))]
    )

    message = dns.message.from_wire(serialize_response(parsed(packet(QUESTION)), 0, tail, 512))

    assert [rrset.to_text() for rrset in message.answer] == ["Ok.test. 60 IN CNAME b.test.", "b.test. 60 IN AAAA ::1"]


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"\0", "."), (b"\x02ok\x04test\0", "ok.test"), (b"\x03a.b\x02\0\n\0", r"a\046b.\000\010")],
    ids=["root", "plain", "odd bytes"],
)
def test_names_are_written_so_that_each_has_one_text(name: bytes, text: str) -> None:
    assert name_text(name) == text


@given(st.binary(max_size=600))
def test_random_bytes_never_raise_and_never_answer_longer_than_they_are(wire: bytes) -> None:
    query = parse_query(wire)

    if isinstance(query, Unanswerable) and query.reply is not None:
        assert len(query.reply) <= max(len(wire), 12)


@given(st.integers(0, 255), st.integers(0, 60), st.integers(0, 255))
def test_a_damaged_query_never_raises(byte: int, position: int, length: int) -> None:
    wire = bytearray(packet(QUESTION, OPT, counts=(1, 0, 0, 1)))
    wire[position % len(wire)] = byte

    query = parse_query(bytes(wire[: length + 1]))

    if isinstance(query, Query):
        assert len(serialize_response(query, 0, empty_tail(query), query.udp_limit)) <= query.udp_limit


# --- what is more than addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "strings"), [("", [b""]), ("é", ["é".encode()]), ("x" * 300, [b"x" * 255, b"x" * 45])]
)
def test_a_text_is_cut_into_character_strings(text: str, strings: list[bytes]) -> None:
    response = serialize_response(parsed(packet(QUESTION)), 0, build_tail([messages.text_record(text)]), MAX_TCP_BYTES)

    assert list(dns.message.from_wire(response).answer[0][0].strings) == strings


def test_an_empty_answer_may_be_kept_as_long_as_its_soa_says() -> None:
    response = serialize_response(
        parsed(packet(QUESTION)), 3, build_tail((), [messages.soa_record(25)]), MAX_TCP_BYTES
    )
    [soa] = dns.message.from_wire(response).authority

    assert (soa.ttl, soa[0].minimum) == (25, 25)


@pytest.mark.parametrize(("opt", "code"), [(messages.OPT_BLOCKED, 15), (messages.OPT_PROHIBITED, 18)])
def test_a_client_that_speaks_edns_is_told_why(opt: bytes, code: int) -> None:
    with_edns = parsed(packet(QUESTION, OPT, counts=(1, 0, 0, 1)))

    told = dns.message.from_wire(serialize_response(with_edns, 3, EMPTY, 512, opt))
    untold = dns.message.from_wire(serialize_response(parsed(packet(QUESTION)), 3, EMPTY, 512, opt))

    assert [option.code for option in told.options] == [code]
    assert untold.edns == -1


def test_a_record_has_a_lifetime_of_its_own() -> None:
    record = Record(1, b"\x0a\0\0\7", ttl=7)

    response = serialize_response(parsed(packet(QUESTION)), 0, build_tail([record]), 512)

    assert dns.message.from_wire(response).answer[0].ttl == 7
