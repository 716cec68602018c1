from typing import Any

import pytest
from tests.fakes.audit_lines import entry_of

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.audit_reading.entry_line import duration_text, pieces_of


def line_of(entry: Entry) -> str:
    return "".join(text for text, _ in pieces_of(entry)).rstrip()


def traced(**annotations: Any) -> list[dict[str, Any]]:
    return [{"name": "secrets", "action": "continue", "duration_ms": 0.1, "annotations": annotations}]


def test_a_request_on_a_line() -> None:
    entry = entry_of(host="api.openai.com", method="POST", path="/v1/responses", duration_ms=142.031, client="agent-1")

    assert line_of(entry) == (
        "2026-11-25 01:41:05.078  allow    POST    api.openai.com/v1/responses  200  142 ms  client agent-1"
    )


def test_a_denial_says_why_and_by_whom() -> None:
    entry = entry_of(action="reject", host="evil.test")

    assert line_of(entry).endswith("evil.test/  403  12 ms  no rule matches the host (allowlist)")


def test_what_was_done_to_it_is_marked() -> None:
    entry = entry_of(
        request_transforms=traced(swapped=[{"secret": "KEY", "locations": ["body"]}], injected=[{"secret": "OTHER"}]),
        response_transforms=traced(redacted=[{"secret": "KEY", "locations": ["body"]}]),
    )

    assert line_of(entry).endswith("[swapped KEY]  [injected OTHER]  [redacted KEY]")


def test_a_request_that_only_a_warning_let_through_is_marked() -> None:
    assert "[warn: no rule]" in line_of(entry_of(request_transforms=traced(action="warn")))


def test_an_event_on_a_line() -> None:
    entry = Entry(
        msg="event", time="2026-11-25T01:43:20Z", event="dns", action="reject", host="evil.test",
        remote_addr="192.0.2.1:99", reason="no rule allows the name",
    )  # fmt: skip

    assert line_of(entry) == (
        "2026-11-25 01:43:20Z     reject   dns     evil.test  client 192.0.2.1  no rule allows the name"
    )


def test_tls_that_was_passed_through_has_no_method() -> None:
    assert "  TLS     pinned.test" in line_of(entry_of(host="pinned.test", method="", path="", mode="passthrough"))


@pytest.mark.parametrize(
    "field", ["host", "path", "method", "action", "client", "reason", "error", "rejected_by", "time", "phase"]
)
def test_no_field_reaches_the_terminal_as_it_is(field: str) -> None:
    shown = line_of(entry_of(**{field: "\x1b]0;title\x07\nfake"}))

    assert shown.isprintable()
    assert "\\x1b]0;" in shown


def test_neither_do_annotations() -> None:
    shown = line_of(entry_of(request_transforms=traced(swapped=[{"secret": "\x1b[2J"}, 7, "\x1b[1m", {"secret": 5}])))

    assert shown.isprintable()
    assert "[swapped \\x1b[2J, \\x1b[1m]" in shown


@pytest.mark.parametrize("rows", ["text", {"a": 1}, 7, None, [[]], [None]])
def test_annotations_of_another_shape_do_no_harm(rows: Any) -> None:
    line_of(entry_of(request_transforms=traced(swapped=rows)))


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0.04, "0.0 ms"), (9.5, "9.5 ms"), (142.4, "142 ms"), (5120, "5.1 s")]
)
def test_durations_are_short(milliseconds: float, text: str) -> None:
    assert duration_text(milliseconds) == text
