from typing import Any

import pytest
from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.questions import OPENING, PASSED_THROUGH, Question, Verdict, past_verdict, question_of
from iron_proxy.messages.authority import Target


def traces(*actions: str, **annotations: Any) -> list[dict[str, Any]]:
    notes = {"annotations": annotations} if annotations else {}
    return [{"name": "allowlist", "action": action, "duration_ms": 0, **notes} for action in actions]


# --- questions ------------------------------------------------------------------------------------------------------


def test_a_request_over_tls() -> None:
    entry = entry_of(host="ok.test:8443", method="POST", path="/v1", client="agent")

    assert question_of(entry) == Question(Target("ok.test", 8443), "https", "POST", "/v1", "agent")


def test_a_request_without_a_server_name_is_plain_http() -> None:
    assert question_of(entry_of(host="ok.test", sni="")) == Question(Target("ok.test", 80), "http", "GET", "/")


def test_the_opening_of_a_tunnel() -> None:
    entry = entry_of(host="ok.test:443", method="CONNECT", path="", sni="")

    assert question_of(entry) == Question(Target("ok.test", 443), "tunnel", OPENING, "")


@pytest.mark.parametrize(
    ("changes", "port"),
    [
        ({}, 443),
        ({"original_destination": "192.0.2.1:8443"}, 8443),
        ({"tunnel": {"target": "pinned.test:8443"}}, 443),
    ],
)
def test_tls_that_was_passed_through(changes: dict[str, Any], port: int) -> None:
    entry = entry_of(host="pinned.test", method="", path="", mode="passthrough", **changes)

    assert question_of(entry) == Question(Target("pinned.test", port), "https", PASSED_THROUGH, "")


@pytest.mark.parametrize("host", ["", "bad host", "müller.test", "a:b:c", "2130706433", "ok.test:99999"])
def test_a_destination_that_is_none_makes_no_question(host: str) -> None:
    assert question_of(entry_of(host=host)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"ambiguous_path": True},
        {"action": "reject", "reason": "a rule matches the host, but the path is ambiguous"},
        {"path": "/a//b"},
        {"path": "/a\\b"},
        {"path": "/a%2fb"},
        {"path": "/a/..;/b"},
        {"request_transforms": [{"name": "learn", "action": "continue", "annotations": {"ambiguous_path": True}}]},
    ],
)
def test_a_path_that_can_be_read_in_two_ways(changes: dict[str, Any]) -> None:
    question = question_of(entry_of(**changes))

    assert question is not None
    assert question.is_ambiguous


@pytest.mark.parametrize("path", ["/", "/a b", "/100% sure", "/café", "/a;b=c", "/@babel/core", "/.well-known/x"])
def test_a_path_that_cannot(path: str) -> None:
    question = question_of(entry_of(path=path))

    assert question is not None
    assert not question.is_ambiguous


# --- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"action": "allow"}, Verdict.ALLOWED),
        ({"action": "allow", "request_transforms": traces("continue", action="warn")}, Verdict.WARNED),
        ({"action": "allow", "request_transforms": []}, Verdict.ALLOWED),
        ({"action": "reject"}, Verdict.DENIED),
        ({"action": "reject", "rejected_by": "default_deny", "request_transforms": []}, Verdict.DENIED),
        ({"action": "error", "error": "x"}, Verdict.ALLOWED),
        ({"action": "client_cancel"}, Verdict.ALLOWED),
        ({"action": "stub", "stubbed_by": "mine"}, Verdict.ALLOWED),
        ({"action": "reject", "rejected_by": "secrets", "request_transforms": traces("continue")}, Verdict.ALLOWED),
        ({"action": "reject", "rejected_by": "secrets", "request_transforms": []}, Verdict.UNDECIDED),
        ({"action": "error", "error": "x", "request_transforms": []}, Verdict.UNDECIDED),
        ({"action": "client_cancel", "request_transforms": []}, Verdict.UNDECIDED),
        ({"action": "error", "error": "x", "request_transforms": traces("continue", "reject")}, Verdict.DENIED),
        ({"action": "something"}, Verdict.UNDECIDED),
        ({"action": ""}, Verdict.UNDECIDED),
    ],
)
def test_what_policy_said_then(changes: dict[str, Any], verdict: Verdict) -> None:
    assert past_verdict(entry_of(**changes)) is verdict


def test_a_malformed_request_was_not_put_to_policy() -> None:
    entry = entry_of(action="reject", reason="malformed host", request_transforms=[])
    entry.rejected_by = ""

    assert past_verdict(entry) is Verdict.UNDECIDED
