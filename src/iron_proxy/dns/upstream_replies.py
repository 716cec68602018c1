"""
What a name server replied, read with suspicion: bytes in, records with a lifetime out, no I/O.

Only the chain of aliases that begins at the name asked for is followed, and only the records at its end are taken;
whatever else a reply holds is not looked at. The records are given to the client as the asked name's own: an alias's
target would be text that somebody outside chose. `forwarding.py` calls this with replies that `upstream_query.py` has
matched to their question.
"""

from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from iron_proxy.dns import messages
from iron_proxy.dns.service_bindings import without_http3_and_ech
from iron_proxy.errors import UpstreamProtocolError

# Seconds. Some load balancers say 0, and a burst of requests then asks for each of them; a name that has moved is
# found again within the hour; one that did not exist is often just being made.
MIN_TTL: Final = 1
MAX_TTL: Final = 3600
MAX_NEGATIVE_TTL: Final = 300
# Content networks need three or four; a longer chain is a loop, or somebody's joke.
_MAX_ALIASES = 16


class Found(NamedTuple):
    """What a name has: contents of one type, or none (`rcode` tells whether it exists), good for `ttl` seconds."""

    rcode: int
    contents: tuple[bytes, ...]
    ttl: int  # 0: not to be kept


class Failure(NamedTuple):
    """A reply that says nothing about the name: another server may know better."""

    reason: str


def read_reply(wire: bytes, record_type: int) -> Found | Failure:
    """Read a reply to a question for this type. Raises UpstreamProtocolError when it is malformed."""
    try:
        reply = dns.message.from_wire(wire, ignore_trailing=False)
        question = reply.question[0]
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        raise UpstreamProtocolError("malformed reply") from error
    rcode = int(reply.rcode())
    if rcode not in (messages.NOERROR, messages.NXDOMAIN):
        return Failure(f"the server says {messages.RCODE_NAMES.get(rcode, f'code {rcode}')}")
    contents, ttl = _follow(reply, question.name, record_type)
    if contents:
        return Found(messages.NOERROR, tuple(contents), max(MIN_TTL, min(ttl, MAX_TTL)))
    return _nothing_found(reply, rcode)


def _follow(reply: dns.message.Message, name: dns.name.Name, record_type: int) -> tuple[list[bytes], int]:
    ttl = MAX_TTL
    for _ in range(_MAX_ALIASES):
        sets = [each for each in reply.answer if each.name == name and each.rdclass == dns.rdataclass.IN]
        found = next((each for each in sets if each.rdtype == record_type), None)
        if found is not None:
            return _contents(found), min(ttl, found.ttl)
        alias = next((each for each in sets if each.rdtype == dns.rdatatype.CNAME), None)
        if alias is None:
            break
        name, ttl = alias[0].target, min(ttl, alias.ttl)
    return [], ttl


def _contents(found: dns.rrset.RRset) -> list[bytes]:
    is_binding = found.rdtype in (messages.SVCB, messages.HTTPS)
    records = [without_http3_and_ech(each) if is_binding else each for each in found]
    return [wire for each in records if each is not None and (wire := each.to_wire()) is not None]


def _nothing_found(reply: dns.message.Message, rcode: int) -> Found | Failure:
    """RFC 2308 section 5: kept for the smaller of the SOA's lifetime and its minimum; without an SOA, not at all."""
    soa = next((each for each in reply.authority if each.rdtype == dns.rdatatype.SOA), None)
    if soa is not None:
        return Found(rcode, (), max(MIN_TTL, min(soa.ttl, soa[0].minimum, MAX_NEGATIVE_TTL)))
    if rcode == messages.NOERROR and any(each.rdtype == dns.rdatatype.NS for each in reply.authority):
        return Failure("the server refers to others: it does not resolve for us")
    return Found(rcode, (), 0)
