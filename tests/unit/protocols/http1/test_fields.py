import pytest

from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http1.fields import Apart, connection_options, split_fields, without_nominated


@pytest.mark.parametrize(
    ("block", "kept", "apart"),
    [
        (b"", [], {}),
        (b"A: 1\r\n", [(b"A", b"1")], {}),
        (b"A:\r\nB: \t\r\nC:1\r\n", [(b"A", b""), (b"B", b""), (b"C", b"1")], {}),
        (b"A: 1 \r\nB: 2\t \r\nC: 3\r\n", [(b"A", b"1"), (b"B", b"2"), (b"C", b"3")], {}),
        (b"A: b: c\r\n", [(b"A", b"b: c")], {}),
        (b"HOST: a\r\nX: 1\r\nhost: b\r\n", [(b"X", b"1")], {b"host": [b"a", b"b"]}),
        (b"Te: a \r\nContent-Length: 3\r\n", [], {b"te": [b"a"], b"content-length": [b"3"]}),
    ],
    ids=["none", "one", "empty values", "padding", "a colon in a value", "apart by lower-case name", "apart, padded"],
)
def test_a_block_is_split_into_what_is_forwarded_and_what_is_set_apart(
    block: bytes, kept: list[Pair], apart: Apart
) -> None:
    assert split_fields(block) == (kept, apart)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (None, set()),
        ([b"keep-alive"], {b"keep-alive"}),
        ([b"Keep-Alive"], {b"keep-alive"}),
        ([b"close"], {b"close"}),
        ([b"CLOSE"], {b"close"}),
        ([b"Upgrade, HTTP2-Settings"], {b"upgrade", b"http2-settings"}),
        ([b"a,\tb ", b"C"], {b"a", b"b", b"c"}),
        ([b""], set()),
        ([b" ,, "], set()),
    ],
)
def test_connection_options_are_lower_case_and_joined(values: list[bytes] | None, options: set[bytes]) -> None:
    assert connection_options({} if values is None else {b"connection": values}) == options


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (set(), [b"Cookie", b"X-a", b"x-A"]),
        ({b"close", b"keep-alive", b"upgrade", b"te"}, [b"Cookie", b"X-a", b"x-A"]),
        ({b"x-a"}, [b"Cookie"]),
        ({b"cookie", b"close"}, [b"X-a", b"x-A"]),
    ],
)
def test_fields_that_connection_names_are_left_out_in_any_spelling(options: set[bytes], left: list[bytes]) -> None:
    pairs = [(b"Cookie", b"1"), (b"X-a", b"2"), (b"x-A", b"3")]

    assert [name for name, _ in without_nominated(pairs, frozenset(options))] == left
