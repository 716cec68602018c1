from pathlib import Path

import dns.message
import dns.rrset
import pytest

from iron_proxy.selftest.arrivals import token_of
from iron_proxy.selftest.questions import addresses_in, computed_address, computed_name, framed, name_servers, question

RUN = "0123456789abcdef"


def test_a_question_is_one_that_others_read() -> None:
    message = dns.message.from_wire(question("a.example", "TXT"))

    assert [str(each) for each in message.question] == ["a.example. IN TXT"]
    assert framed(b"abc") == b"\0\3abc"


def test_addresses_are_read_from_a_reply_and_from_nothing_else() -> None:
    reply = dns.message.make_response(dns.message.from_wire(question("a.example", "A")))
    reply.answer.append(dns.rrset.from_text("a.example.", 60, "IN", "A", "203.0.113.7", "203.0.113.8"))

    assert addresses_in(reply.to_wire()) == {"203.0.113.7", "203.0.113.8"}
    assert addresses_in(b"HTTP/1.1 200 OK") == set()
    assert addresses_in(b"") == set()


@pytest.mark.parametrize("run", ["0" * 16, "f" * 16, RUN])
def test_a_computed_name_fits_and_holds_token_and_address(run: str) -> None:
    token = token_of(run, "dns-tunnel", 3)

    name = computed_name(token, run, "sslip.io")

    assert name == f"{token.decode()}.{computed_address(run).replace('.', '-')}.sslip.io"
    assert len(name) <= 253
    assert 1 <= int(computed_address(run).rpartition(".")[2]) <= 254


def test_name_servers_are_read_from_resolv_conf(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    lines = ["# nameserver 9.9.9.9", "nameserver 127.0.0.53", " nameserver ::1", "nameserver x", ""]
    (tmp_path / "etc/resolv.conf").write_text("\n".join(lines))

    assert name_servers(tmp_path) == ["127.0.0.53", "::1"]
    assert name_servers(tmp_path / "elsewhere") == []
