"""DNS questions that carry a token, the ways to put them, and answers that only the outside can give. Pure."""

import ipaddress
import re
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.rdatatype

# A name with addresses that everybody knows: who answers with them has asked, or is, the outside.
KNOWN_NAME: Final = "one.one.one.one"
KNOWN_ADDRESSES: Final = frozenset({"1.1.1.1", "1.0.0.1"})


def question(name: str, record_type: str) -> bytes:
    """A query on the wire, with recursion desired."""
    return dns.message.make_query(name, record_type).to_wire()


def framed(message: bytes) -> bytes:
    """As TCP carries it (RFC 1035 section 4.2.2)."""
    return len(message).to_bytes(2, "big") + message


def addresses_in(reply: bytes) -> set[str]:
    """The addresses that a reply gives; none when it is not one."""
    try:
        message = dns.message.from_wire(reply, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return set()
    wanted = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return {record.to_text() for rrset in message.answer if rrset.rdtype in wanted for record in rrset}


def computed_address(run: str) -> str:
    """An address of nobody's (RFC 5737: documentation) for names whose address is computed from them."""
    return f"203.0.113.{int(run, 16) % 254 + 1}"


def computed_name(token: bytes, run: str, zone: str) -> str:
    """A name with a token in it whose address is `computed_address`, in a zone that works so."""
    return f"{token.decode()}.{computed_address(run).replace('.', '-')}.{zone}"


def name_servers(root: Path) -> list[str]:
    """The servers of resolv.conf; none where it cannot be read."""
    try:
        text = (root / "etc/resolv.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = re.findall(r"(?m)^\s*nameserver\s+(\S+)", text)
    return [address for address in found if _is_address(address)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
