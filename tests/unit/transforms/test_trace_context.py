"""What counts as a `traceparent`: W3C Trace Context, section 3.2, and nothing that is nearly one."""

import pytest

from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.transforms.trace_context import TraceContext, parent_of

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, SPAN)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (GOOD, GOOD),
        (GOOD[:-2] + b"00", GOOD[:-2] + b"00"),
        (b"cc" + GOOD[2:], b"cc" + GOOD[2:]),
        (b"cc" + GOOD[2:] + b"-what-the-future-brings", b"cc" + GOOD[2:]),
    ],
    ids=["sampled", "not sampled", "a later version", "a later version with more"],
)
def test_what_is_valid_is_kept(value: bytes, kept: bytes) -> None:
    assert parent_of([value]) == kept.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"", b"00", GOOD.upper(), GOOD[:-1], GOOD + b"0", GOOD + b"-more", b"ff" + GOOD[2:], b"cc" + GOOD[2:] + b".x",
        b"00-%b-%b-01" % (b"0" * 32, SPAN), b"00-%b-%b-01" % (TRACE, b"0" * 16), b" " + GOOD, GOOD + b"\n",
        b"00-%b-%b-zz" % (TRACE, SPAN), b"\xff" * 55, GOOD + b"," + GOOD,
    ],
)  # fmt: skip
def test_what_is_not_is_none(value: bytes) -> None:
    assert parent_of([value]) == ""


def test_of_several_none_counts() -> None:
    assert parent_of([GOOD, GOOD]) == ""
    assert parent_of([]) == ""


@pytest.mark.parametrize(
    ("pairs", "notes"),
    [
        ([(b"Traceparent", GOOD)], {"traceparent": GOOD.decode()}),
        ([(b"traceparent", b"<script>")], {}),
        ([], {}),
    ],
)
async def test_it_is_noted_and_the_request_is_as_it_was(pairs: list[Pair], notes: dict[str, str]) -> None:
    exchange = Exchange(Request("GET", "https", Target("a.test", 443), b"/", headers=Headers(list(pairs))))

    assert await TraceContext().on_request(exchange) is CONTINUE
    assert exchange.notes == notes
    assert exchange.request.headers.pairs == pairs
