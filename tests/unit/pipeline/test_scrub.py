"""Scrubs: when they run, what they may say, and what the record shows of them."""

from typing import Any

import pytest

from iron_proxy.errors import IronProxyError, TransformError, UpstreamDisconnected
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Fields, Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline, Refusal
from iron_proxy.pipeline.scrub import LateTrace, run_scrubs, scrubbed_head
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.protocols.http1.events import ResponseHead


class FakeScrub:
    """Notes, refuses or raises what it is told to."""

    name = "secrets"

    def __init__(self, outcome: Reject | BaseException | None = None, notes: bool = True) -> None:
        self.outcome, self.notes = outcome, notes
        self.trace: LateTrace | None = None

    async def scrub(self, response: Response, trace: LateTrace) -> Reject | None:
        self.trace = trace
        if self.notes:
            trace.annotate("redacted", ["x"])
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def scrub_head(self, response: Response) -> None:
        response.headers.set(b"Link", b"scrubbed")
        response.reason = b"scrubbed"


class FakeScrubber:
    """Begins one scrub, and knows from the start whether it will find something."""

    def __init__(self, *, finds_nothing: bool = False) -> None:
        self.scrub = FakeScrub()
        self.nothing = finds_nothing

    def finds_nothing(self, response: Response) -> bool:
        return self.nothing

    def begin(self) -> FakeScrub:
        return self.scrub


def exchange_with(*scrubbers: FakeScrubber) -> Exchange:
    exchange = Exchange(Request("GET", "https", Target("ok.test", 443), b"/"), response=Response(200))
    exchange.scrubbers = scrubbers
    return exchange


async def test_a_scrub_that_notes_something_leaves_a_trace() -> None:
    traces: list[dict[str, Any]] = []

    assert await run_scrubs([FakeScrub(), FakeScrub(notes=False)], Response(200), traces) is None

    (trace,) = traces
    assert (trace["name"], trace["action"], trace["annotations"]) == ("secrets", "continue", {"redacted": ["x"]})
    assert trace["duration_ms"] >= 0


async def test_what_is_noted_later_is_in_the_trace_too() -> None:
    traces: list[dict[str, Any]] = []
    scrub = FakeScrub(notes=False)
    await run_scrubs([scrub], Response(200), traces)
    assert (traces, scrub.trace is not None) == ([], True)

    scrub.trace.annotate("redacted", ["late"])  # type: ignore[union-attr]  # just seen
    scrub.trace.annotate("more", 1)  # type: ignore[union-attr]

    assert [trace["annotations"] for trace in traces] == [{"redacted": ["late"], "more": 1}]


async def test_a_scrub_may_refuse_the_response() -> None:
    exchange, traces = exchange_with(FakeScrubber(), FakeScrubber()), list[dict[str, Any]]()
    refused = Reject("cannot be looked into")
    exchange.scrubbers[0].scrub.outcome = refused  # type: ignore[attr-defined]  # a fake

    assert await Pipeline([]).run_response(exchange, traces) == Refusal("secrets", refused)
    assert [trace["action"] for trace in traces] == ["reject"]


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (UpstreamDisconnected("the upstream went away"), UpstreamDisconnected, "the upstream went away"),
        (ValueError("sk-real"), TransformError, "ValueError"),
    ],
)
async def test_a_scrub_that_fails_fails_the_response(error: Exception, raised: type[IronProxyError], text: str) -> None:
    traces: list[dict[str, Any]] = []

    with pytest.raises(raised) as caught:
        await run_scrubs([FakeScrub(error, notes=False)], Response(200), traces)

    assert (traces[0]["action"], traces[0]["error"]) == ("error", text)
    assert "sk-real" not in str(caught.value)


async def test_where_it_is_certain_that_nothing_is_there_no_scrub_begins() -> None:
    exchange = exchange_with(FakeScrubber(finds_nothing=True))
    traces: list[dict[str, Any]] = []

    assert await Pipeline([]).run_response(exchange, traces) is None

    assert (traces, exchange.scrubs) == ([], ())


def test_one_that_has_begun_goes_on_whatever_the_next_response_holds() -> None:
    exchange = exchange_with(FakeScrubber(finds_nothing=True))
    scrubs = exchange.begin_scrubbing()

    assert exchange.begin_scrubbing() is scrubs
    assert exchange.needs_scrubbing(Response(200))


def test_a_scrubber_that_comes_late_begins_too() -> None:
    first, second = FakeScrubber(), FakeScrubber()
    exchange = exchange_with(first)
    exchange.begin_scrubbing()

    exchange.scrubbers += (second,)

    assert exchange.begin_scrubbing() == (first.scrub, second.scrub)


def test_a_head_is_scrubbed_in_a_copy() -> None:
    head = ResponseHead()
    head.status, head.reason, head.pairs = 103, b"Early", Fields([(b"Link", b"secret")])

    scrubbed = scrubbed_head((FakeScrub(),), head)

    assert (scrubbed.status, scrubbed.reason, [*scrubbed.pairs]) == (103, b"scrubbed", [(b"Link", b"scrubbed")])
    assert (head.reason, [*head.pairs]) == (b"Early", [(b"Link", b"secret")])
    assert scrubbed_head((), head) is head


def test_headers_of_a_response_are_its_own() -> None:
    response = Response(200, Headers(Fields([(b"A", b"b")])))

    FakeScrub().scrub_head(response)

    assert response.headers.get(b"link") == b"scrubbed"
