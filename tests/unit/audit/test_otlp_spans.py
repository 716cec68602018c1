"""Records become spans as the collector decodes them, over both protocols, with what the variables say."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector, ask_for, attributes_of
from tests.unit.audit.records import record_of
from tests.unit.audit.test_span_ids import PARENT

from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.otlp_exporter import OTLPExporter
from iron_proxy.audit.otlp_settings import Signal, read_otlp_settings
from iron_proxy.audit.otlp_spans import OTLPSpanExporter
from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected

PROTOCOLS = pytest.mark.parametrize("kind", [HTTPCollector, GRPCCollector])
SERVER, UNSET, ERROR = 2, 0, 2


@pytest.fixture
def collector() -> Iterator[HTTPCollector]:
    with HTTPCollector() as collector:
        yield collector


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, collector: HTTPCollector) -> Any:
    """Exports some lines over HTTP; returns the spans."""

    def send(*lines: bytes, **variables: str) -> list[Any]:
        exporter = exporter_of(ask_for(monkeypatch, collector, OTEL_TRACES_EXPORTER="otlp", **variables))
        assert exporter.export(lines)
        exporter.shutdown()
        return collector.spans()

    return send


def exporter_of(variables: Mapping[str, str]) -> OTLPSpanExporter:
    settings = read_otlp_settings(variables, Signal.TRACES)
    assert settings is not None
    return OTLPSpanExporter(settings, variables)


def line_of(outcome: Outcome | None = None, parent: str = "", **changes: Any) -> bytes:
    if parent:
        step = {"name": "trace_context", "action": "continue", "duration_ms": 0.0}
        changes["request_traces"] = [step | {"annotations": {"traceparent": parent}}]
    return seed_envelope(record_of(outcome, **changes))


@PROTOCOLS
def test_a_request_is_one_span(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(host="ok.test:8443", path="/v1")
    record.rule, record.bytes_from_client, record.bytes_from_upstream = "domains[0]", 3, 5
    with kind() as collector:
        exporter = exporter_of(ask_for(monkeypatch, collector, OTEL_TRACES_EXPORTER="otlp"))
        assert exporter.export([seed_envelope(record)])
        exporter.shutdown()

    [span] = collector.spans()
    assert (span.name, span.kind, span.status.code, span.parent_span_id) == ("GET", SERVER, UNSET, b"")
    assert (len(span.trace_id), len(span.span_id)) == (16, 8)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 12_500_000
    assert attributes_of(span) == {
        "http.request.method": "GET", "server.address": "ok.test", "server.port": 8443, "url.path": "/v1",
        "http.response.status_code": 200, "http.request.body.size": 3, "http.response.body.size": 5,
        "network.peer.address": "192.0.2.1", "network.peer.port": 1000,
        "iron_proxy.request_id": "cafe-1", "iron_proxy.action": "allow", "iron_proxy.rule": "domains[0]",
        "iron_proxy.mode": "mitm",
    }  # fmt: skip
    resource = collector.requests[0][2].resource_spans[0]
    assert attributes_of(resource.resource)["service.name"] == "iron-proxy"
    assert resource.scope_spans[0].scope.name == "iron-proxy/requests"


def test_it_is_a_child_of_what_its_client_has_named(sent: Any) -> None:
    [span] = sent(line_of(parent=PARENT))

    assert span.trace_id.hex() == PARENT[3:35]
    assert span.parent_span_id.hex() == PARENT[36:52]


def test_spans_of_one_batch_do_not_mix(sent: Any) -> None:
    spans = sent(*(line_of(request_id=f"cafe-{number}", parent=PARENT if number % 2 else "") for number in range(6)))

    assert [span.parent_span_id.hex() for span in spans] == ["", PARENT[36:52]] * 3
    assert len({span.span_id for span in spans}) == 6
    assert len({span.trace_id for span in spans}) == 4


@pytest.mark.parametrize(
    ("outcome", "code", "error"),
    [
        (Allowed(200), UNSET, None),
        (Allowed(404), UNSET, None),
        (Allowed(503), ERROR, "503"),
        (Rejected(403, "no rule", "allowlist"), UNSET, None),
        (Failed(502, "the upstream broke"), ERROR, "502"),
        (ClientGone(), UNSET, None),
    ],
    ids=["allowed", "not found", "upstream's 503", "refused", "failed", "client gone"],
)
def test_what_has_failed_is_an_error_and_a_refusal_is_not(
    outcome: Outcome, code: int, error: str | None, sent: Any
) -> None:
    [span] = sent(line_of(outcome))

    assert span.status.code == code
    assert attributes_of(span).get("error.type") == error
    assert span.status.message == ("the upstream broke" if isinstance(outcome, Failed) else "")


def test_an_invented_method_does_not_name_a_span(sent: Any) -> None:
    [span] = sent(line_of(method="BREW-1234"))

    assert span.name == "HTTP"
    attributes = attributes_of(span)
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", "BREW-1234")


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("ok.test", "ok.test", None),
        ("[2001:db8::1]:444", "2001:db8::1", 444),
        ("2001:db8::1", "2001:db8::1", None),
        ("", "", None),
    ],
)
def test_a_host_is_split_from_its_port(host: str, address: str, port: int | None, sent: Any) -> None:
    [span] = sent(line_of(host=host))

    assert (attributes_of(span)["server.address"], attributes_of(span).get("server.port")) == (address, port)


@pytest.mark.parametrize(
    ("sampler", "argument", "parent", "is_sampled"),
    [
        ("always_off", "", PARENT, False),
        ("always_on", "", PARENT[:-1] + "0", True),
        ("parentbased_always_on", "", PARENT[:-1] + "0", False),
        ("parentbased_always_off", "", PARENT, True),
        ("traceidratio", "0", PARENT, False),
        ("traceidratio", "1", "", True),
        ("parentbased_traceidratio", "0", "", False),
    ],
)
def test_the_sampler_is_the_one_that_is_named(
    sampler: str, argument: str, parent: str, is_sampled: bool, sent: Any
) -> None:
    spans = sent(line_of(parent=parent), OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)

    assert len(spans) == is_sampled


def test_limits_on_attributes_are_the_sdks(sent: Any) -> None:
    [span] = sent(line_of(path="/" + "x" * 500), OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="20")

    assert len(attributes_of(span)["url.path"]) == 20


def test_a_refusal_is_no_success(monkeypatch: pytest.MonkeyPatch, collector: HTTPCollector) -> None:
    collector.status = 403
    exporter = exporter_of(ask_for(monkeypatch, collector, OTEL_TRACES_EXPORTER="otlp"))

    assert not exporter.export([line_of()])
    exporter.shutdown()


def test_log_records_name_the_span_of_their_request(
    monkeypatch: pytest.MonkeyPatch, collector: HTTPCollector, sent: Any
) -> None:
    lines = [line_of(), line_of(request_id="cafe-2", parent=PARENT)]
    spans = sent(*lines)
    variables = ask_for(monkeypatch, collector)
    settings = read_otlp_settings(variables)
    assert settings is not None
    for names_spans in (True, False):
        exporter = OTLPExporter(settings, variables, names_spans=names_spans)
        assert exporter.export(lines)
        exporter.shutdown()

    named = [(record.trace_id, record.span_id) for record in collector.records()]
    assert named[:2] == [(span.trace_id, span.span_id) for span in spans]
    assert named[2:] == [(b"", b"")] * 2
