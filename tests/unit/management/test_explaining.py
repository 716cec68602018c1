"""A question about a made-up request, and every way in which it can make no sense."""

import asyncio
import json
from typing import Any

import pytest
from tests.fakes.served import Served
from tests.fakes.transforms import FakeAllowlist, FakeTransform
from tests.unit.management.called import KEY, FakeControl, call

from iron_proxy.management import explaining as module
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Verdict

QUESTION = {"method": "GET", "url": "http://ok.test/a"}


async def ask(control: FakeControl, question: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json; charset=utf-8"}
    content = question if isinstance(question, bytes) else json.dumps(question).encode()
    answer = await call(control, "POST", "/v1/explain", headers, content)
    return answer.status_code, answer.json()


def control() -> FakeControl:
    return FakeControl(Served(FakeAllowlist("ok.test"), allow_by_default=False).services)


@pytest.mark.parametrize("headers", [{"X-A": "1"}, [["X-A", "1"]]])
async def test_the_policy_in_force_answers(headers: Any) -> None:
    asked = control()

    allowed = await ask(asked, {**QUESTION, "headers": headers})
    denied = await ask(asked, {**QUESTION, "url": "http://other.test/"})

    assert (allowed[0], allowed[1]["verdict"]) == (200, "allowed")
    assert ["X-A", "1"] in allowed[1]["sent"]["fields"]
    assert (denied[0], denied[1]["verdict"]) == (200, "denied")
    assert asked.services.users == 0


@pytest.mark.parametrize(
    "question",
    [b"", b"{", [], {"method": "GET"}, {**QUESTION, "more": 1}, {**QUESTION, "url": "ftp://x"},
     {**QUESTION, "client": "nobody"}, {**QUESTION, "method": "A B"}, {**QUESTION, "headers": {"a": "\r\nb: c"}},
     b"[" * 100_000, {**QUESTION, "body": "\ud800"}],
)  # fmt: skip
async def test_what_makes_no_sense_is_400(question: Any) -> None:
    status, answer = await ask(control(), question)

    assert status == 400
    assert answer["error"]


async def test_a_transform_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(FakeTransform):
        async def on_request(self, exchange: Exchange) -> Verdict:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(module, "EXPLAIN_SECONDS", 0.01)
    stuck = FakeControl(Served(Stuck("stuck")).services)

    assert (await ask(stuck, QUESTION))[0] == 504
    assert stuck.services.users == 0
