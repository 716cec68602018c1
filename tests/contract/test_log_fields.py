"""The fields of audit records, in both schemas: names, order, types, and when each is there."""

import json
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Way

# The seed's come first.
ALWAYS = ["time", "level", "msg", "host", "method", "path", "action", "status_code", "duration_ms", "request_id"]
ADMITTED = ["rule"]
FORWARDED = ["upstream", "bytes_from_client", "bytes_from_upstream"]
ALWAYS_AFTER = ["remote_addr", "sni", "mode"]
TRACES = ["request_transforms", "response_transforms"]


def check_record(record: dict[str, Any], *, between: list[str], after: list[str]) -> None:
    """The names in order: always, then what explains, then where from, then what else, then the traces."""
    assert list(record) == [*ALWAYS, *between, "generation", *ALWAYS_AFTER, *after, *TRACES]
    assert isinstance(record["status_code"], int)
    assert isinstance(record["duration_ms"], int | float)
    assert record["mode"] == "mitm"
    assert record["remote_addr"].startswith("127.0.0.1:")
    for trace in record["request_transforms"]:
        assert list(trace)[:3] == ["name", "action", "duration_ms"]
        assert set(trace) <= {"name", "action", "duration_ms", "error", "annotations"}


def test_an_allowed_request(proxy: RunningProxy) -> None:
    proxy.ask(Way.HTTPS, "/x?secret=1")

    record = proxy.last_record()
    check_record(record, between=ADMITTED, after=FORWARDED)
    assert (record["path"], record["sni"], record["level"]) == ("/x", "ok.test", "INFO")


def test_a_rejected_request_says_by_whom_and_why(proxy: RunningProxy) -> None:
    proxy.ask(Way.HTTP, host="other.test")

    check_record(proxy.last_record(), between=["rejected_by", "reason", "code"], after=[])


def test_a_bad_request_says_why(proxy: RunningProxy) -> None:
    proxy.ask(Way.HTTP, "/../x")

    check_record(proxy.last_record(), between=["reason"], after=[])


def test_a_failure_has_an_error(proxy: RunningProxy) -> None:
    proxy.ask(Way.HTTP, host="nx.test")

    check_record(proxy.last_record(), between=["error", *ADMITTED], after=[])


def test_an_inner_request_names_its_tunnel(proxy: RunningProxy) -> None:
    proxy.ask(Way.CONNECT_TLS)

    opening, inner = proxy.new_records()
    check_record(opening, between=ADMITTED, after=[])
    check_record(inner, between=ADMITTED, after=["tunnel", *FORWARDED])
    assert list(inner["tunnel"]) == ["target", "request_transforms"]


def test_a_handshake_that_failed_is_an_event(proxy: RunningProxy) -> None:
    with proxy.raw("https") as session:
        session.send(b"\x16\x03\x01\xff\xff")
        session.end()
        session.read_to_end()

    event = proxy.wait_for_event("handshake")
    assert list(event) == ["time", "level", "msg", "event", "action", "reason", "remote_addr"]
    assert (event["msg"], event["action"]) == ("event", "reject")


def test_integers_are_written_as_integers(proxy: RunningProxy) -> None:
    proxy.ask(Way.HTTP)
    proxy.settle()

    line = next(line for line in reversed(proxy.lines) if '"request"' in line)
    assert '"status_code":200,' in line
    assert json.loads(line)


@pytest.mark.parametrize(
    ("host", "path", "action"), [("ok.test", "/", "allow"), ("other.test", "/", "reject"), ("nx.test", "/", "error")]
)
def test_the_nested_schema_has_upstreams_groups(running: Running, host: str, path: str, action: str) -> None:
    proxy = running(log={"audit_schema": "v0.46"})

    proxy.ask(Way.HTTP, path, host=host)

    record = proxy.last_record()
    assert list(record)[:4] == ["time", "level", "msg", "audit"]
    assert list(record["audit"]) == [
        "host", "method", "path", "remote_addr", "sni", "mode", "action", "status_code", "duration_ms",
    ]  # fmt: skip
    assert record["audit"]["action"] == action
    assert "response_transforms" not in record, "there when there are some"
    assert ("error" in record, "rejected_by" in record) == (action == "error", action == "reject")
    assert {trace["action"] for trace in record["request_transforms"]} <= {"allow", "reject"}
