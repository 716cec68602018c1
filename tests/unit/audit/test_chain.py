"""Three members at the end of each line, which any program can check; the rest of the line stays as it is."""

import hashlib
import json

import pytest

from iron_proxy.audit.chain import GENESIS, Chain, chain_behind, read_link


def test_each_line_names_the_one_before_and_itself() -> None:
    chain = Chain()

    first, second = chain.link(b'{"a":1}\n{"b":2}\n').splitlines()

    one, two = json.loads(first), json.loads(second)
    assert (one["a"], one["seq"], one["prev"]) == (1, 1, GENESIS.decode())
    assert (two["b"], two["seq"], two["prev"]) == (2, 2, one["hash"])
    assert two["hash"] == hashlib.sha256(second[: second.index(b',"hash"')]).hexdigest()
    assert list(two) == ["b", "seq", "prev", "hash"]


def test_the_next_batch_goes_on_where_the_last_one_ended() -> None:
    apart, together = Chain(), Chain()

    lines = apart.link(b'{"a":1}\n') + apart.link(b'{"b":2}\n')

    assert lines == together.link(b'{"a":1}\n{"b":2}\n')
    assert (apart.number, apart.head) == (together.number, together.head)


def test_a_chain_is_taken_up_behind_a_line() -> None:
    chain = Chain()
    line = chain.link(b'{"a":1}\n').rstrip(b"\n")

    resumed = chain_behind(line)

    assert resumed is not None
    assert resumed.link(b'{"b":2}\n') == chain.link(b'{"b":2}\n')


@pytest.mark.parametrize("line", [b"", b"{}", b'{"a":1}', b'{"msg":"request","seq":1,"prev":"","hash":""}', b"x" * 300])
def test_a_line_without_a_chain_has_no_place(line: bytes) -> None:
    assert read_link(line) is None
    assert chain_behind(line) is None


def test_a_changed_line_is_read_and_not_gone_on_behind() -> None:
    line = Chain().link(b'{"a":1}\n').rstrip(b"\n").replace(b'"a":1', b'"a":2')

    link = read_link(line)

    assert link is not None
    assert not link.is_whole
    assert chain_behind(line) is None


def test_what_a_client_sent_cannot_pass_for_the_place() -> None:
    hostile = json.dumps({"path": f'","seq":9,"prev":"{"0" * 64}","hash":"{"0" * 64}"}}'}).encode()

    link = read_link(Chain().link(hostile + b"\n").rstrip(b"\n"))

    assert link is not None
    assert (link.number, link.is_whole) == (1, True)
