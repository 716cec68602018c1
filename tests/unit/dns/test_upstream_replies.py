"""What a name server's reply is worth: records, a lifetime, or nothing."""

from collections.abc import Sequence

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.name_server import reply_to

from iron_proxy.dns.messages import AAAA, HTTPS, NOERROR, NXDOMAIN, A
from iron_proxy.dns.upstream_replies import Failure, Found, read_reply
from iron_proxy.errors import UpstreamProtocolError

SOA = "ns.test. admin.test. 1 2 3 4"


def read(answer: Sequence[str] = (), authority: Sequence[str] = (), rcode: str = "NOERROR", kind: int = A) -> object:
    query = dns.message.make_query("ok.test", dns.rdatatype.RdataType.make(kind)).to_wire()
    return read_reply(reply_to(query, answer, authority, rcode), kind)


def test_addresses_are_found_with_the_shortest_lifetime_on_the_way() -> None:
    found = read(["ok.test. 60 IN CNAME a.test.", "a.test. 30 IN CNAME b.test.", "b.test. 90 IN A 10.0.0.9"])

    assert found == Found(NOERROR, (b"\x0a\0\0\x09",), 30)


@pytest.mark.parametrize(("ttl", "kept"), [(0, 1), (1, 1), (3600, 3600), (3601, 3600), (2**31 - 1, 3600)])
def test_a_lifetime_is_kept_within_bounds(ttl: int, kept: int) -> None:
    assert read([f"ok.test. {ttl} IN A 10.0.0.9"]) == Found(NOERROR, (b"\x0a\0\0\x09",), kept)


@pytest.mark.parametrize(
    "answer",
    [
        ["other.test. 60 IN A 6.6.6.6"],
        ["ok.test. 60 IN CNAME a.test.", "b.test. 60 IN A 6.6.6.6"],
        ["ok.test. 60 IN CNAME ok.test."],
        ["ok.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME ok.test."],
        ["ok.test. 60 IN AAAA fd00::6"],
        ["ok.test. 60 IN TXT hello"],
    ],
    ids=["another name", "off the chain", "itself", "a circle", "another type", "text"],
)
def test_what_does_not_belong_to_the_question_is_not_looked_at(answer: list[str]) -> None:
    assert read(answer) == Found(NOERROR, (), 0)


def test_a_chain_ends_somewhere() -> None:
    links = [f"{name}.test. 60 IN CNAME {name + 1}.test." for name in range(40)]

    assert read(["ok.test. 60 IN CNAME 0.test.", *links, "40.test. 60 IN A 6.6.6.6"]) == Found(NOERROR, (), 0)


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
@pytest.mark.parametrize(("ttl", "minimum", "kept"), [(60, 30, 30), (20, 30, 20), (9999, 9999, 300), (0, 0, 1)])
def test_that_there_is_nothing_is_kept_as_the_soa_says(rcode: str, ttl: int, minimum: int, kept: int) -> None:
    found = read([], [f"test. {ttl} IN SOA {SOA} {minimum}"], rcode)

    assert found == Found(NXDOMAIN if rcode == "NXDOMAIN" else NOERROR, (), kept)


def test_without_an_soa_it_is_not_kept() -> None:
    assert read(rcode="NXDOMAIN") == Found(NXDOMAIN, (), 0)


@pytest.mark.parametrize(("rcode", "said"), [("SERVFAIL", "SERVFAIL"), ("REFUSED", "REFUSED"), ("NOTAUTH", "code 9")])
def test_a_server_that_does_not_answer_says_nothing_about_the_name(rcode: str, said: str) -> None:
    assert read(rcode=rcode) == Failure(f"the server says {said}")


def test_a_referral_is_no_answer() -> None:
    assert isinstance(read([], ["test. 60 IN NS ns.test."]), Failure)


def test_several_addresses_are_all_found() -> None:
    query = dns.message.make_query("ok.test", "AAAA").to_wire()
    reply = dns.message.make_response(dns.message.from_wire(query))
    reply.answer.append(dns.rrset.from_text("ok.test.", 60, "IN", "AAAA", "fd00::1", "fd00::2"))

    found = read_reply(reply.to_wire(), AAAA)

    assert isinstance(found, Found)
    assert len(found.contents) == 2


def test_a_service_binding_loses_http3_and_ech() -> None:
    found = read(['ok.test. 60 IN HTTPS 1 . alpn="h2,h3" ech="AARhYmNk" port="8443"'], kind=HTTPS)

    assert found == Found(NOERROR, (b"\0\1\0\0\1\0\3\x02h2\0\3\0\x02\x20\xfb",), 60)


@pytest.mark.parametrize("wire", [b"", b"\0" * 12, b"\0\1\x81\x80\0\0\0\0\0\0\0\0"], ids=["nothing", "zeros", "bare"])
def test_what_is_malformed_is_an_error(wire: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read_reply(wire, A)


QUERY = dns.message.make_query("ok.test", "HTTPS").to_wire()
HONEST = reply_to(
    QUERY,
    ["ok.test. 60 IN CNAME a.test.", 'a.test. 60 IN HTTPS 1 . alpn="h2,h3" ipv4hint=10.0.0.9'],
    [f"test. 60 IN SOA {SOA} 30"],
)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(12, len(HONEST) - 1), st.integers(0, 255)), max_size=8), st.binary(max_size=40))
def test_whatever_a_server_sends_is_found_or_refused(changes: list[tuple[int, int]], tail: bytes) -> None:
    wire = bytearray(HONEST)
    for position, octet in changes:
        wire[position] = octet

    for content in (bytes(wire), bytes(wire) + tail, HONEST[: len(wire) - len(tail)], tail):
        try:
            found = read_reply(content, HTTPS)
        except UpstreamProtocolError:
            continue
        assert isinstance(found, Found | Failure)
        assert isinstance(found, Failure) or 0 <= found.ttl <= 3600
