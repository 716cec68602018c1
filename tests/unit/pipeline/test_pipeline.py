"""Deny is the absence of an allow; every transform is traced; a failing one fails its request and tells no tales."""

import asyncio
from collections.abc import Callable

import pytest
from tests.fakes.transforms import FakeAllowlist, FakeObserver, FakeResponseTransform, FakeTransform

from iron_proxy.errors import BadRequest, IronProxyError, SecretUnavailable, TransformError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Admission, Exchange
from iron_proxy.pipeline.pipeline import DEFAULT_DENY, Permit, Pipeline, Refusal, Traces
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Continue, Reject, Stub, Verdict

OK = Target("ok.test", 80)


def exchange(host: str = "ok.test") -> Exchange:
    return Exchange(Request("GET", "http", Target(host, 80), b"/"))


async def run(pipeline: Pipeline, on: Exchange | None = None, scope: Scope = Scope.REQUEST) -> tuple[object, Traces]:
    traces: Traces = []
    return await pipeline.run_request(on or exchange(), traces, scope), traces


def actions(traces: Traces) -> list[tuple[str, str]]:
    return [(trace["name"], trace["action"]) for trace in traces]


def returns(verdict: Verdict) -> Callable[[Exchange], Verdict]:
    return lambda exchange: verdict


def raises(error: BaseException) -> Callable[[Exchange], Verdict]:
    def run(exchange: Exchange) -> Verdict:
        raise error

    return run


# --- who lets pass --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transforms", [[], [FakeTransform("secrets")], [FakeTransform("a"), FakeTransform("b")]], ids=["none", "one", "two"]
)
async def test_without_an_allowlist_every_request_is_denied_with_a_reason(transforms: list[FakeTransform]) -> None:
    pipeline = Pipeline(transforms)

    decision, traces = await run(pipeline)

    assert decision == Refusal(DEFAULT_DENY, Reject("no allowlist admits this destination"))
    assert pipeline.denies_everything
    assert not pipeline.could_admit(OK)
    assert [action for _, action in actions(traces)] == ["continue"] * len(transforms)


async def test_a_permit_comes_only_after_an_admission_and_says_which() -> None:
    pipeline = Pipeline([FakeAllowlist("ok.test"), FakeTransform("secrets")])

    decision, traces = await run(pipeline)

    assert decision == Permit(OK, "http", Admission("domains: ok.test"))
    assert actions(traces) == [("allowlist", "continue"), ("secrets", "continue")]
    assert not pipeline.denies_everything


async def test_what_no_allowlist_admits_is_denied_even_if_no_transform_said_no() -> None:
    decision, _ = await run(Pipeline([FakeAllowlist("ok.test")]), exchange("other.test"))

    assert isinstance(decision, Refusal)
    assert decision.by == DEFAULT_DENY


async def test_a_default_of_allow_admits_without_an_allowlist() -> None:
    pipeline = Pipeline([FakeTransform("secrets")], allow_by_default=True)

    decision, _ = await run(pipeline)

    assert decision == Permit(OK, "http", Admission("proxy.default_action: allow"))
    assert pipeline.could_admit(Target("any.test", 1))
    assert not pipeline.denies_everything


async def test_a_default_of_allow_does_not_overrule_an_allowlist() -> None:
    pipeline = Pipeline([FakeAllowlist("ok.test")], allow_by_default=True)

    decision, _ = await run(pipeline, exchange("other.test"))

    assert isinstance(decision, Refusal)
    assert not pipeline.could_admit(Target("other.test", 80))


@pytest.mark.parametrize(("host", "could"), [("ok.test", True), ("second.test", True), ("other.test", False)])
def test_whether_any_request_could_pass_is_asked_of_every_allowlist(host: str, could: bool) -> None:
    pipeline = Pipeline([FakeAllowlist("ok.test"), FakeTransform(), FakeAllowlist("second.test")])

    assert pipeline.could_admit(Target(host, 443)) is could


async def test_a_permit_names_the_destination_as_it_is_after_the_transforms() -> None:
    def moves(exchange: Exchange) -> Verdict:
        exchange.request.target = Target("moved.test", 8443)
        exchange.request.scheme = "https"
        return CONTINUE

    decision, _ = await run(Pipeline([FakeAllowlist("ok.test"), FakeTransform("gateway", moves)]))

    assert isinstance(decision, Permit)
    assert (decision.target, decision.scheme) == (Target("moved.test", 8443), "https")


# --- who stops ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "word"),
    [(Reject("no"), "reject"), (Reject("slow down", Response(429)), "reject"), (Stub(Response(200)), "stub")],
    ids=["a rejection", "a rejection with a response", "a stub"],
)
async def test_the_first_transform_that_stops_ends_the_run(verdict: Reject | Stub, word: str) -> None:
    first, second, third = FakeAllowlist("ok.test"), FakeTransform("second", returns(verdict)), FakeTransform("third")

    decision, traces = await run(Pipeline([first, second, third]))

    assert decision == Refusal("second", verdict)
    assert actions(traces) == [("allowlist", "continue"), ("second", word)]
    assert [second.calls, third.calls] == [1, 0]


# --- who sees what was refused --------------------------------------------------------------------------------------


def notes(exchange: Exchange) -> None:
    exchange.annotate("seen", True)


@pytest.mark.parametrize("verdict", [Reject("no"), Stub(Response(200))], ids=["rejected", "stubbed"])
async def test_a_refused_request_is_shown_to_the_observers_behind(verdict: Reject | Stub) -> None:
    before, behind = FakeObserver("before", notes), FakeObserver("behind", notes)
    stops = FakeTransform("stops", returns(verdict))

    decision, traces = await run(Pipeline([before, stops, FakeTransform("plain"), behind]))

    assert decision == Refusal("stops", verdict)
    assert [(before.calls, before.refused), (behind.calls, behind.refused)] == [(1, 0), (0, 1)]
    assert actions(traces)[2:] == [("behind", "observe")]
    assert traces[2]["annotations"] == {"seen": True}
    assert "annotations" not in traces[1]


async def test_an_observer_that_notes_nothing_leaves_no_trace() -> None:
    _, traces = await run(Pipeline([FakeTransform("stops", returns(Reject("no"))), FakeObserver("silent")]))

    assert actions(traces) == [("stops", "reject")]


async def test_an_observer_is_not_shown_what_is_outside_its_scopes() -> None:
    observer = FakeObserver("observer", notes, scopes=frozenset((Scope.REQUEST,)))
    pipeline = Pipeline([FakeTransform("stops", returns(Reject("no"))), observer])

    await run(pipeline, scope=Scope.TUNNEL)

    assert observer.refused == 0


async def test_an_observer_that_fails_changes_nothing_for_the_others() -> None:
    def fails(exchange: Exchange) -> None:
        raise ValueError("with a secret in it")

    observers = [FakeObserver("fails", fails), FakeObserver("goes on", notes)]

    decision, traces = await run(Pipeline([FakeTransform("stops", returns(Reject("no"))), *observers]))

    assert decision == Refusal("stops", Reject("no"))
    assert actions(traces)[1:] == [("fails", "error"), ("goes on", "observe")]
    assert traces[1]["error"] == "ValueError"


async def test_what_is_let_pass_is_not_shown() -> None:
    observer = FakeObserver("observer", notes)

    await run(Pipeline([FakeAllowlist("ok.test"), observer]))

    assert (observer.calls, observer.refused) == (1, 0)


async def test_any_continue_goes_on() -> None:
    decision, traces = await run(Pipeline([FakeTransform("a", returns(Continue())), FakeAllowlist("ok.test")]))

    assert isinstance(decision, Permit)
    assert len(traces) == 2


async def test_outside_its_scopes_a_transform_is_not_called_and_its_trace_says_it_let_pass() -> None:
    requests_only = FakeTransform("secrets", returns(Reject("no")), scopes=frozenset((Scope.REQUEST,)))
    pipeline = Pipeline([requests_only, FakeAllowlist("ok.test")])

    decision, traces = await run(pipeline, scope=Scope.TUNNEL)

    assert isinstance(decision, Permit)
    assert requests_only.calls == 0
    assert traces[0] == {"name": "secrets", "action": "continue", "duration_ms": 0}


# --- traces ---------------------------------------------------------------------------------------------------------


async def test_annotations_land_on_the_trace_of_the_transform_that_made_them() -> None:
    def notes(key: str) -> Callable[[Exchange], Verdict]:
        def run(exchange: Exchange) -> Verdict:
            exchange.annotate(key, [key])
            return CONTINUE

        return run

    transforms = [FakeTransform("a", notes("x")), FakeTransform("b"), FakeTransform("c", notes("y"))]

    _, traces = await run(Pipeline(transforms, allow_by_default=True))

    assert [trace.get("annotations") for trace in traces] == [{"x": ["x"]}, None, {"y": ["y"]}]


async def test_a_trace_has_its_keys_in_order_and_a_duration_in_milliseconds() -> None:
    _, traces = await run(Pipeline([FakeTransform("a")], allow_by_default=True))

    assert list(traces[0]) == ["name", "action", "duration_ms"]
    assert 0 <= traces[0]["duration_ms"] < 1000


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SecretUnavailable("env var TOKEN is not set"), "env var TOKEN is not set"),
        (ValueError("canary-secret in a foreign message"), "ValueError"),
        (KeyError("canary-secret"), "KeyError"),
    ],
    ids=["one of ours", "a foreign one", "another foreign one"],
)
async def test_a_failing_transform_fails_the_request_by_name_and_leaks_no_foreign_text(
    error: Exception, text: str
) -> None:
    def fails(exchange: Exchange) -> Verdict:
        exchange.annotate("until", "here")
        raise error

    traces: Traces = []
    after = FakeTransform("after")
    pipeline = Pipeline([FakeAllowlist("ok.test"), FakeTransform("swap", fails), after])

    with pytest.raises(TransformError) as caught:
        await pipeline.run_request(exchange(), traces)

    assert str(caught.value) == f"transform swap request: {text}"
    assert caught.value.status == 502
    assert actions(traces) == [("allowlist", "continue"), ("swap", "error")]
    assert traces[1]["error"] == text
    assert traces[1]["annotations"] == {"until": "here"}
    assert "canary-secret" not in repr(traces)
    assert after.calls == 0


async def test_a_transform_that_returns_no_verdict_fails_the_request() -> None:
    with pytest.raises(TransformError, match="transform odd request"):
        await run(Pipeline([FakeTransform("odd", lambda exchange: None)], allow_by_default=True))  # type: ignore[arg-type, return-value]


async def test_a_cancelled_transform_leaves_a_trace_and_is_cancelled() -> None:
    traces: Traces = []

    with pytest.raises(asyncio.CancelledError):
        await Pipeline([FakeTransform("slow", raises(asyncio.CancelledError()))]).run_request(exchange(), traces)

    assert actions(traces) == [("slow", "error")]


# --- responses ------------------------------------------------------------------------------------------------------


async def test_responses_pass_the_transforms_that_look_at_them_in_the_same_order() -> None:
    first, second = FakeResponseTransform("first"), FakeResponseTransform("second")
    pipeline = Pipeline([first, FakeTransform("requests only"), second])
    traces: Traces = []

    assert await pipeline.run_response(exchange(), traces) is None

    assert actions(traces) == [("first", "continue"), ("second", "continue")]
    assert [first.responses, second.responses, first.calls] == [1, 1, 0]
    assert pipeline.looks_at_responses


def test_a_pipeline_without_a_response_side_says_so() -> None:
    assert not Pipeline([FakeTransform()]).looks_at_responses


@pytest.mark.parametrize("verdict", [Reject("leaks"), Stub(Response(200))], ids=["a rejection", "a stub"])
async def test_a_response_can_be_replaced(verdict: Reject | Stub) -> None:
    second = FakeResponseTransform("second")

    refusal = await Pipeline([FakeResponseTransform("first", returns(verdict)), second]).run_response(exchange(), [])

    assert refusal == Refusal("first", verdict)
    assert second.responses == 0


async def test_a_failing_response_transform_is_named() -> None:
    pipeline = Pipeline([FakeResponseTransform("judge", raises(RuntimeError("canary-secret")))])

    with pytest.raises(TransformError) as caught:
        await pipeline.run_response(exchange(), [])

    assert str(caught.value) == "transform judge response: RuntimeError"


# --- the whole ------------------------------------------------------------------------------------------------------


def test_the_names_are_those_of_the_transforms_in_order() -> None:
    assert Pipeline([FakeAllowlist(), FakeTransform("logger")]).names == ["allowlist", "logger"]


async def test_a_rehearsal_has_the_rehearsals_of_its_transforms_in_their_places() -> None:
    class Counting(FakeTransform):
        def rehearsal(self) -> FakeTransform:
            return FakeTransform("quiet", returns(Reject("no")))

    loud, other = Counting("loud"), FakeTransform("other")
    pipeline = Pipeline([other, loud], allow_by_default=True)

    decision, _ = await run(pipeline.rehearsal())

    assert decision == Refusal("quiet", Reject("no"))
    assert (loud.calls, other.calls) == (0, 1)
    assert pipeline.transforms == (other, loud)
    assert not Pipeline([], allow_by_default=True).rehearsal().denies_everything


async def test_closing_closes_what_can_be_closed() -> None:
    class Closable(FakeTransform):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    closable = Closable()

    await Pipeline([FakeTransform(), closable]).aclose()

    assert closable.closed == 1


async def test_one_pipeline_serves_many_requests_at_once() -> None:
    class Notes(FakeTransform):
        async def on_request(self, exchange: Exchange) -> Verdict:
            exchange.annotate("host", exchange.request.target.host)
            await asyncio.sleep(0)
            return CONTINUE

    pipeline = Pipeline([Notes("notes"), Notes("again")], allow_by_default=True)
    hosts = [f"h{number}.test" for number in range(20)]

    results = await asyncio.gather(*(run(pipeline, exchange(host)) for host in hosts))

    for host, (decision, traces) in zip(hosts, results, strict=True):
        assert isinstance(decision, Permit)
        assert decision.target.host == host
        assert [trace["annotations"] for trace in traces] == [{"host": host}] * 2


def test_the_errors_of_transforms_are_ours() -> None:
    assert issubclass(TransformError, IronProxyError)


async def test_a_body_that_the_client_spoiled_is_not_the_fault_of_the_transform_that_read_it() -> None:
    traces: Traces = []
    reading = FakeTransform("reading", raises(BadRequest("malformed chunk size")))

    with pytest.raises(BadRequest, match="malformed chunk size"):
        await Pipeline([reading]).run_request(exchange(), traces)

    assert actions(traces) == [("reading", "error")]
