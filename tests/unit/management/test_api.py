"""The endpoints: their order of checks, upstream's bodies, and ours where there is more to say."""

import pytest
from tests.unit.management.called import FakeControl, call

from iron_proxy.management.api import calls_of
from iron_proxy.management.audit_feed import MAX_WATCHERS
from iron_proxy.management.control import Left, ReloadResult


async def test_a_reload_is_told_in_upstreams_words() -> None:
    control = FakeControl()

    answer = await call(control, "POST", "/v1/reload")

    assert (answer.status_code, answer.content) == (200, b'{"status":"ok"}\n')
    assert answer.headers["iron-proxy-generation"] == "2"
    assert control.asked_by == ["management API"]


async def test_what_was_left_and_what_is_doubtful_is_told_besides() -> None:
    control = FakeControl()
    control.result = ReloadResult("ok", 2, warnings=("doubtful",), left=(Left("metrics.listen", "because"),))

    answer = await call(control, "POST", "/v1/reload")

    assert answer.json() == {
        "status": "ok",
        "not_reloaded": [{"key": "metrics.listen", "reason": "because"}],
        "warnings": ["doubtful"],
    }


async def test_a_refusal_is_422_with_every_problem() -> None:
    control = FakeControl()
    control.result = ReloadResult("refused", 1, ("f:1: a", "f:2: b"))

    answer = await call(control, "POST", "/v1/reload")

    assert (answer.status_code, answer.json()) == (422, {"error": "f:1: a\nf:2: b", "problems": ["f:1: a", "f:2: b"]})


async def test_our_own_fault_tells_nothing() -> None:
    control = FakeControl()
    control.result = ReloadResult("failed", 1)
    reloaded = await call(control, "POST", "/v1/reload")
    control.failure = RuntimeError("a secret")
    status = await call(control, "GET", "/v1/status")

    for answer in (reloaded, status):
        assert (answer.status_code, answer.content) == (500, b'{"error":"internal error"}\n')


@pytest.mark.parametrize("path", [each.path for each in calls_of(FakeControl())])
async def test_every_call_wants_the_key_before_its_method(path: str) -> None:
    control = FakeControl()

    assert (await call(control, "PATCH", path, {})).status_code == 401
    answer = await call(control, "PATCH", path)
    assert (answer.status_code, answer.json()) == (405, {"error": "method not allowed"})
    assert answer.headers["allow"] in ("GET", "POST")
    assert answer.headers["cache-control"] == "no-store"


async def test_an_unknown_path_says_so_to_anybody() -> None:
    answer = await call(FakeControl(), "GET", "/v1/unknown", {})

    assert (answer.status_code, answer.content) == (404, b"404 page not found\n")


async def test_there_is_nothing_to_sync() -> None:
    answer = await call(FakeControl(), "POST", "/v1/sync")

    assert (answer.status_code, answer.json()) == (404, {"error": "sync is unavailable in standalone mode"})


@pytest.mark.parametrize(("path", "key"), [("/v1/status", "generation"), ("/v1/config", "proxy"),
                                           ("/v1/connections", "total"), ("/v1/openapi.json", "openapi")])  # fmt: skip
async def test_what_can_be_looked_at(path: str, key: str) -> None:
    answer = await call(FakeControl(), "GET", path)

    assert answer.status_code == 200
    assert key in answer.json()


@pytest.mark.parametrize(
    ("listen", "status"), [("127.0.0.1:1", 403), ("[::1]:1", 403), ("localhost:1", 403), ("0.0.0.0:1", 200),
                           (":1", 200), ("10.0.0.1:1", 200)],
)  # fmt: skip
async def test_names_are_judged_where_only_this_machine_can_connect(listen: str, status: int) -> None:
    control = FakeControl(listen=listen)
    key = {"Authorization": "Bearer " + "k" * 20, "Host": "rebound.evil.test"}

    assert (await call(control, "GET", "/v1/status", key)).status_code == status


async def test_watchers_are_not_too_many() -> None:
    control = FakeControl()
    [stream] = [each for each in calls_of(control) if each.path == "/v1/audit/stream"]
    for _ in range(MAX_WATCHERS):
        await stream.answer(None)  # type: ignore[arg-type]  # it asks nothing of the request

    with pytest.raises(Exception, match="too many watch"):
        await stream.answer(None)  # type: ignore[arg-type]
