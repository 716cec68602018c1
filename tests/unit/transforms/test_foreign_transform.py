"""A transform from outside is limited in time and cannot end the process; for the rest it is as it is."""

import asyncio
from collections.abc import Callable

import pytest
from tests.fakes.transforms import FakeAllowlist, FakeResponseTransform, FakeTransform

from iron_proxy.errors import TransformError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline, Refusal
from iron_proxy.pipeline.transform import (
    AdmittingTransform,
    ClosableTransform,
    ObservingTransform,
    RequestTransform,
    ResponseTransform,
)
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.transforms import foreign_transform
from iron_proxy.transforms.foreign_transform import ForeignTransform

OPTIONAL = (ResponseTransform, AdmittingTransform, ClosableTransform, ObservingTransform)


class Waiting(FakeTransform):
    """Waits for what never comes, and may not want to be told so."""

    def __init__(self, *, is_stubborn: bool = False) -> None:
        super().__init__("waiting")
        self.is_stubborn = is_stubborn

    async def on_request(self, exchange: Exchange) -> Verdict:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not self.is_stubborn:
                raise
        return CONTINUE


class Closable(FakeTransform):
    def __init__(self, failure: BaseException | None = None) -> None:
        super().__init__("closable")
        self.failure = failure
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.failure is not None:
            raise self.failure


class Observing(FakeTransform):
    def on_refused(self, exchange: Exchange) -> None:
        exchange.annotate("seen", True)


class Slotted:
    """Has no room for anything of ours."""

    __slots__ = ("name", "scopes")

    def __init__(self) -> None:
        self.name, self.scopes = "slotted", FakeTransform().scopes

    async def on_request(self, exchange: Exchange) -> Verdict:
        await asyncio.sleep(0)
        return Reject("as it says")


def exchange_for() -> Exchange:
    return Exchange(Request("GET", "https", Target("a.test", 443), b"/"))


def raising(error: BaseException) -> Callable[[Exchange], Verdict]:
    def on_request(exchange: Exchange) -> Verdict:
        raise error

    return on_request


@pytest.mark.parametrize(
    "inner",
    [FakeTransform(), FakeResponseTransform("r"), FakeAllowlist("a.test"), Closable(), Observing(), Slotted()],
    ids=lambda inner: type(inner).__name__,
)
def test_it_follows_those_protocols_that_the_transform_inside_follows(inner: RequestTransform) -> None:
    transform = ForeignTransform(inner)

    assert isinstance(transform, RequestTransform)
    assert [isinstance(transform, each) for each in OPTIONAL] == [isinstance(inner, each) for each in OPTIONAL]
    assert (transform.name, transform.scopes) == (inner.name, inner.scopes)


async def test_its_verdicts_are_the_transforms_own() -> None:
    verdict = await ForeignTransform(Slotted()).on_request(exchange_for())

    assert isinstance(verdict, Reject)
    assert verdict.reason == "as it says"


async def test_responses_and_destinations_are_asked_about_inside() -> None:
    responding, admitting = FakeResponseTransform("r"), FakeAllowlist("a.test")
    pipeline = Pipeline([ForeignTransform(admitting), ForeignTransform(responding)])

    await pipeline.run_request(exchange_for(), [])
    await pipeline.run_response(exchange_for(), [])

    assert (responding.calls, responding.responses) == (1, 1)
    assert pipeline.could_admit(Target("a.test", 443))
    assert not pipeline.could_admit(Target("b.test", 443))


async def test_an_observer_sees_what_was_refused() -> None:
    pipeline = Pipeline([ForeignTransform(Slotted()), ForeignTransform(Observing("watch"))])
    traces: list[dict[str, object]] = []

    refusal = await pipeline.run_request(exchange_for(), traces)

    assert isinstance(refusal, Refusal)
    assert traces[1]["annotations"] == {"seen": True}


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["cancelled", "ignores its cancellation"])
async def test_who_waits_too_long_fails_the_request_and_is_named(is_stubborn: bool) -> None:
    transform = ForeignTransform(Waiting(is_stubborn=is_stubborn), 0.01)
    traces: list[dict[str, object]] = []

    with pytest.raises(TransformError, match=r"^transform waiting request: took longer than 0\.01 s$"):
        await Pipeline([transform]).run_request(exchange_for(), traces)

    assert traces[0]["error"] == "took longer than 0.01 s"


async def test_a_timeout_of_its_own_is_not_ours() -> None:
    transform = ForeignTransform(FakeTransform("slow", raising(TimeoutError("sk-real"))))

    with pytest.raises(TransformError, match=r"^transform slow request: TimeoutError$"):
        await Pipeline([transform]).run_request(exchange_for(), [])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError], ids=lambda kind: kind.__name__)
async def test_whatever_it_raises_fails_its_request_only(kind: type[BaseException]) -> None:
    transform = ForeignTransform(FakeTransform("rude", raising(kind("sk-real"))))

    with pytest.raises(TransformError, match=rf"^transform rude request: {kind.__name__}$"):
        await Pipeline([transform]).run_request(exchange_for(), [])


async def test_a_client_that_goes_away_cancels_it() -> None:
    task = asyncio.get_running_loop().create_task(ForeignTransform(Waiting()).on_request(exchange_for()))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.5, 10.0, 11.25])
    monkeypatch.setattr(foreign_transform, "perf_counter", lambda: next(now))

    await ForeignTransform(Slotted()).on_request(exchange_for())

    assert caplog.messages == ["a transform blocked the event loop"]
    assert vars(caplog.records[0])["fields"] == {"transform": "slotted", "seconds": 1.25}


async def test_what_was_waited_for_fails_inside() -> None:
    caught: list[BaseException] = []

    class Careful(FakeTransform):
        async def on_request(self, exchange: Exchange) -> Verdict:
            failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(failing.set_exception, ConnectionError())
            try:
                await failing
            except ConnectionError as error:
                caught.append(error)
            await asyncio.sleep(0)
            return CONTINUE

    assert await ForeignTransform(Careful()).on_request(exchange_for()) is CONTINUE
    assert len(caught) == 1


async def test_one_that_cannot_be_closed_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    closables = [Closable(), Closable(RuntimeError("sk-real")), Closable(SystemExit()), Closable()]

    await Pipeline([ForeignTransform(each) for each in closables]).aclose()

    assert [each.closed for each in closables] == [1, 1, 1, 1]
    assert caplog.messages == ["a transform could not be closed"] * 2
    assert [vars(record)["fields"]["error"] for record in caplog.records] == ["RuntimeError", "TransformError"]
