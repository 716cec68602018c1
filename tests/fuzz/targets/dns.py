"""DNS packets, as the DNS server gets them."""

import dns.flags
import dns.message
import dns.opcode

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.answers import Forward, Zone
from iron_proxy.dns.event_flow import DNSEvent
from iron_proxy.dns.forwarding import Forwarded
from iron_proxy.dns.responder import PendingAnswer, Responder

_CLIENT = ("192.0.2.7", 5353)
_STATIC = [
    DNSRecordConfig("db.test", "A", "10.0.0.7"),
    DNSRecordConfig("db.test", "AAAA", "fd00::7"),
    DNSRecordConfig("www.test", "CNAME", "db.test"),
    DNSRecordConfig("loop.test", "CNAME", "loop.test"),
]
_PASSTHROUGH = ["*.passed.test"]
ZONES = [
    Zone("10.0.0.1", _STATIC, _PASSTHROUGH, proxy_ip6="fd00::1"),
    Zone("10.0.0.1", _STATIC, _PASSTHROUGH, admits=lambda host, client: host.endswith(".ok.test")),
    Zone("", _STATIC, _PASSTHROUGH, proxy_ip6="fd00::1"),
]


class _NothingKnown:
    def known(self, forward: Forward) -> Forwarded | None:
        assert forward.host.endswith("passed.test")
        return None

    async def look_up(self, forward: Forward) -> Forwarded:
        raise AssertionError("nobody waits here")


def check_packet(wire: bytes) -> None:
    """Nothing raises, no answer is worth a forged source, and what is answered dnspython reads."""
    for zone in ZONES:
        check_answer(wire, zone)


def check_answer(wire: bytes, zone: Zone) -> None:
    """The same for one zone."""
    events = list[DNSEvent]()

    reply = Responder(zone, _NothingKnown(), events.append, reports_every_answer=True).answer(wire, _CLIENT)

    if isinstance(reply, PendingAnswer):
        assert events == []
        return
    # What is not answered was dropped for a reason, and not because something went wrong inside.
    assert [event.decision == "dropped" for event in events] == [reply is None]
    if reply is not None:
        assert not wire[2] & 0x80
        # Records are the operator's, an address in each family at most two: a forged source is not worth it.
        assert len(reply) <= min(1232, max(2 * len(wire) + 32, 12))
        _check_response(reply, wire)


def _check_response(reply: bytes, wire: bytes) -> None:
    response = dns.message.from_wire(reply)
    assert response.id == int.from_bytes(wire[:2], "big")
    assert response.flags & dns.flags.QR
    assert response.opcode() == dns.opcode.from_flags(int.from_bytes(wire[2:4], "big"))
    if response.question:
        assert reply[12:].startswith(wire[12 : 12 + len(response.question[0].name.to_wire() or b"") + 4])
