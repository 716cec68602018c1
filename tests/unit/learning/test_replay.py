import pytest
from tests.fakes.audit_lines import entry_of
from tests.unit.learning.judges import allowing, judge_for

from iron_proxy.learning.replay import Change, Replay


async def test_requests_that_are_treated_alike_are_only_counted() -> None:
    replay = Replay(judge_for(allowing("{host: ok.test}")))
    await replay.take(entry_of())
    await replay.take(entry_of(host="other.test", action="reject"))

    assert (replay.requests, replay.same, replay.changed, replay.changes) == (2, 2, 0, [])


async def test_changes_are_told_by_what_they_have_in_common() -> None:
    replay = Replay(judge_for(allowing('{host: ok.test, paths: ["/a"]}', "{host: new.test}")))
    for number in range(5):
        await replay.take(entry_of(path=f"/b{number}"))
    await replay.take(entry_of(host="new.test", action="reject"))

    denied = "a rule matches the host, but not the method and path"
    assert replay.changes == [
        Change("allowed", "denied", "ok.test", "https", "GET", "", denied, 5, ["/b0", "/b1", "/b2"]),
        Change("denied", "allowed", "new.test", "https", "GET", "", "rules[1] (new.test)", 1, ["/"]),
    ]
    assert replay.changed == 6


async def test_what_policy_did_not_decide_is_not_judged() -> None:
    replay = Replay(judge_for(allowing("{host: ok.test}")))
    await replay.take(entry_of(action="error", error="x", request_transforms=[]))

    assert (replay.not_asked, replay.same, replay.changed) == (1, 0, 0)


async def test_what_the_record_does_not_tell_is_said() -> None:
    replay = Replay(judge_for(allowing("{host: ok.test, methods: [GET]}")))
    await replay.take(entry_of(mode="passthrough", method="", path=""))

    assert list(replay.unknown.values()) == [1]
    assert replay.same == 0


async def test_requests_that_only_a_warning_lets_through_are_counted() -> None:
    replay = Replay(judge_for(allowing("{host: x.test}", warn="true")))
    await replay.take(entry_of())

    assert (replay.same, replay.warned_only) == (1, 1)


async def test_there_are_only_so_many_kinds_of_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.learning.replay.MAX_CHANGES", 10)
    replay = Replay(judge_for(allowing("{host: ok.test}")))
    for number in range(30):
        await replay.take(entry_of(host=f"h{number}.test"))

    assert (len(replay.changes), replay.changed, replay.changes_omitted) == (10, 30, 20)
