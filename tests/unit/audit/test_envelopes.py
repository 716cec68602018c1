"""The shape of a line, key by key and in order: the seed's flat schema and upstream v0.46's nested one."""

import json
from typing import Any

import pytest
from tests.unit.audit.records import record_of

from iron_proxy.audit.envelopes import ENVELOPES, fields_of, seed_envelope, v046_envelope
from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected, Stubbed
from iron_proxy.audit.record import EventRecord, RequestRecord

SEED_KEYS = ["time", "level", "msg", "host", "method", "path", "action", "status_code", "duration_ms", "request_id"]
AUDIT_KEYS = ["host", "method", "path", "remote_addr", "sni", "mode", "action", "status_code", "duration_ms"]


def seed(record: RequestRecord) -> dict[str, Any]:
    return one_line(seed_envelope(record))


def nested(record: RequestRecord) -> dict[str, Any]:
    return one_line(v046_envelope(record))


def one_line(line: bytes) -> dict[str, Any]:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    fields: dict[str, Any] = json.loads(line.decode("utf-8"))
    return fields


# --- the seed's -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "explaining"),
    [
        (Allowed(200), []),
        (Rejected(403, "no rule matches", "allowlist"), ["rejected_by", "reason"]),
        (Rejected(403, "no rule matches", "allowlist", "host_not_allowed"), ["rejected_by", "reason", "code"]),
        (Rejected(400, "malformed host"), ["reason"]),
        (Stubbed(200, "stub"), ["stubbed_by"]),
        (Failed(502, "timed out"), ["error"]),
        (ClientGone(), ["reason"]),
    ],
    ids=["allowed", "rejected", "rejected with a code", "bad request", "stubbed", "failed", "the client left"],
)
def test_the_flat_form_has_its_keys_in_order_and_only_those_that_apply(outcome: Outcome, explaining: list[str]) -> None:
    fields = seed(record_of(outcome))

    assert list(fields) == [
        *SEED_KEYS, *explaining, "remote_addr", "sni", "mode", "request_transforms", "response_transforms",
    ]  # fmt: skip
    assert fields["msg"] == "request"
    assert isinstance(fields["status_code"], int)
    assert fields["duration_ms"] == 12.5


def test_in_the_flat_form_a_transform_that_let_pass_says_continue() -> None:
    assert seed(record_of())["request_transforms"][0]["action"] == "continue"


def test_the_flat_form_has_tunnel_and_captured_body_when_they_apply() -> None:
    record = record_of()
    record.tunnel = {"target": "ok.test:443", "request_transforms": [{"name": "allowlist", "action": "continue"}]}
    record.body_capture = {"request_body": "hello", "request_body_truncated": False}

    fields = seed(record)

    assert fields["tunnel"]["request_transforms"][0]["action"] == "continue"
    assert fields["body_capture"] == {"request_body": "hello", "request_body_truncated": False}


# --- v0.46's --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "beside", "level"),
    [
        (Allowed(200), ["request_transforms", "request_id"], "INFO"),
        (
            Rejected(403, "no rule matches", "allowlist"),
            ["rejected_by", "request_transforms", "request_id", "reason"],
            "WARN",
        ),
        (Stubbed(200, "stub"), ["stubbed_by", "request_transforms", "request_id"], "INFO"),
        (Failed(502, "timed out"), ["error", "request_transforms", "request_id"], "ERROR"),
        (ClientGone(), ["request_transforms", "request_id", "reason"], "INFO"),
    ],
    ids=["allowed", "rejected", "stubbed", "failed", "the client left"],
)
def test_the_nested_form_has_its_keys_in_order_and_only_those_that_apply(
    outcome: Outcome, beside: list[str], level: str
) -> None:
    fields = nested(record_of(outcome))

    assert list(fields) == ["time", "level", "msg", "audit", *beside]
    assert list(fields["audit"]) == AUDIT_KEYS
    assert fields["level"] == level


def test_the_nested_form_without_transforms_has_no_trace_keys() -> None:
    fields = nested(record_of(request_traces=[], response_traces=[]))

    assert list(fields) == ["time", "level", "msg", "audit", "request_id"]


def test_in_the_nested_form_a_transform_that_let_pass_says_allow() -> None:
    traces = [
        {"name": "allowlist", "action": "continue", "duration_ms": 0.1, "annotations": {"rule": "ok.test"}},
        {"name": "secrets", "action": "reject", "duration_ms": 0.2},
    ]
    record = record_of(Rejected(403, "no", "secrets"), request_traces=traces, response_traces=traces[:1])
    record.tunnel = {"target": "ok.test:443", "request_transforms": traces[:1]}

    fields = nested(record)

    assert [trace["action"] for trace in fields["request_transforms"]] == ["allow", "reject"]
    assert fields["request_transforms"][0]["annotations"] == {"rule": "ok.test"}
    assert fields["response_transforms"][0]["action"] == "allow"
    assert fields["tunnel"]["request_transforms"][0]["action"] == "allow"
    assert traces[0]["action"] == "continue"  # the record itself is not changed


def test_a_tunnel_without_traces_has_its_target_only() -> None:
    record = record_of()
    record.tunnel = {"target": "ok.test:443"}

    assert nested(record)["tunnel"] == {"target": "ok.test:443"}


# --- both -----------------------------------------------------------------------------------------------------------

HOSTILE = [
    'a\r\n{"msg":"request"}',
    "\x1b[31mred",
    "\u2028\u2029\x85",
    "\ufffd",
    '"\\',
    "\0\x01\x7f",
    "\U0001f600 caf\u00e9",
    "</script>",
]


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_whatever_a_client_sent_is_one_line_and_read_back_as_it_was(envelope: Any, text: str) -> None:  # AUD-02
    traces = [{"name": "allowlist", "action": "continue", "annotations": {text: text}}]
    line = envelope(record_of(Rejected(400, text), host=text, path=text, server_name=text, request_traces=traces))

    fields = one_line(line)

    audit = fields.get("audit", fields)
    assert [audit["host"], audit["path"], audit["sni"], fields["reason"]] == [text] * 4
    assert fields["request_transforms"][0]["annotations"] == {text: text}
    assert b"\x1b" not in line
    assert b"\0" not in line


NESTED: list[Any] = []
for _ in range(2000):
    NESTED = [NESTED]


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (object(), "<object>"),
        ("half \ud800", "half ?"),
        ({"\udfff": 1}, {"?": 1}),
        ([1, 2.5, None, True, "a", (object(),)], [1, 2.5, None, True, "a", ["<object>"]]),
        (lambda: "canary-secret", "<function>"),
    ],
    ids=["an object", "half a surrogate", "half a surrogate as a key", "an object among others", "a function"],
)
def test_an_annotation_that_json_cannot_hold_does_not_cost_the_record(envelope: Any, value: Any, written: Any) -> None:
    traces = [{"name": "python", "action": "continue", "annotations": {"odd": value}}]

    fields = one_line(envelope(record_of(request_traces=traces)))

    assert fields["request_transforms"][0]["annotations"] == {"odd": written}
    assert fields.get("audit", fields)["host"] == "ok.test"


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_an_annotation_of_any_depth_does_not_cost_the_record(envelope: Any) -> None:
    traces = [{"name": "python", "action": "continue", "annotations": {"deep": NESTED}}]

    line = envelope(record_of(request_traces=traces))

    assert line.startswith(b'{"time"')
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_an_event_has_the_same_form_in_both(envelope: Any) -> None:
    event = EventRecord(
        time="2023-11-14T22:13:20.000000Z",
        level="WARN",
        event="handshake",
        action="reject",
        reason="no server name",
        remote_addr="192.0.2.1:1000",
    )

    assert one_line(envelope(event)) == {
        "time": "2023-11-14T22:13:20.000000Z",
        "level": "WARN",
        "msg": "event",
        "event": "handshake",
        "action": "reject",
        "reason": "no server name",
        "remote_addr": "192.0.2.1:1000",
    }


def test_other_sinks_are_given_the_fields_that_apply() -> None:
    fields = fields_of(record_of(Rejected(403, "no", "allowlist")))

    assert fields["rejected_by"] == "allowlist"
    assert "error" not in fields
    assert "tunnel" not in fields


def test_the_envelopes_are_named_as_in_the_configuration() -> None:
    assert {"seed": seed_envelope, "v0.46": v046_envelope} == ENVELOPES


def test_where_an_intercepted_connection_was_going_is_in_both_forms() -> None:
    record = record_of()
    record.original_destination = "192.0.2.7:443"

    assert seed(record)["original_destination"] == nested(record)["original_destination"] == "192.0.2.7:443"
    assert "original_destination" not in {**seed(record_of()), **nested(record_of())}
