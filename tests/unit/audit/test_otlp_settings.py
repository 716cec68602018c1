"""The standard variables: none is off, each is obeyed or refused, and read in the specification's unit."""

import pytest

from iron_proxy.audit.otlp_settings import OTLPSettings, Signal, honours_trace_context, read_otlp_settings
from iron_proxy.errors import StartupError

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.test:4318"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "x"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {"OTEL_LOGS_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_or_when_switched_off_nothing_is_exported(environment: dict[str, str]) -> None:
    assert read_otlp_settings(environment) is None


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"])
def test_an_endpoint_switches_it_on_with_the_defaults_of_the_specification(variable: str) -> None:
    assert read_otlp_settings({variable: "http://c.test"}) == OTLPSettings("http/protobuf", 10.0, 1.0, 2048, 512)


def test_times_are_milliseconds() -> None:
    settings = read_otlp_settings(
        ENDPOINT | {"OTEL_EXPORTER_OTLP_TIMEOUT": "2500", "OTEL_BLRP_SCHEDULE_DELAY": "200"}
    )

    assert settings is not None
    assert (settings.timeout, settings.schedule_delay) == (2.5, 0.2)


def test_what_is_said_for_logs_goes_before_what_is_said_for_all() -> None:
    settings = read_otlp_settings(
        ENDPOINT
        | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc"}
        | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "3000"}
    )

    assert settings is not None
    assert (settings.protocol, settings.timeout) == ("grpc", 3.0)


def test_no_export_takes_longer_than_the_processor_allows() -> None:
    settings = read_otlp_settings(ENDPOINT | {"OTEL_BLRP_EXPORT_TIMEOUT": "500"})

    assert settings is not None
    assert settings.timeout == 0.5


def test_a_batch_is_not_larger_than_the_queue() -> None:
    settings = read_otlp_settings(ENDPOINT | {"OTEL_BLRP_MAX_QUEUE_SIZE": "10"})

    assert settings is not None
    assert (settings.max_queue_size, settings.max_batch_size) == (10, 10)


def test_an_unknown_protocol_is_refused_in_upstreams_words() -> None:
    with pytest.raises(StartupError) as raised:
        read_otlp_settings(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})

    assert str(raised.value) == (
        'unsupported OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" (expected "http/protobuf" or "grpc")'
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "10000001"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1" * 5000),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "²"),
    ],
)
def test_a_value_that_cannot_be_obeyed_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(StartupError, match=variable):
        read_otlp_settings(ENDPOINT | {variable: value})


def test_grpc_knows_no_deflate() -> None:
    with pytest.raises(StartupError, match="COMPRESSION"):
        read_otlp_settings(
            ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"}
        )


TRACES, METRICS = {"OTEL_TRACES_EXPORTER": "otlp"}, {"OTEL_METRICS_EXPORTER": "otlp"}


@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.TRACES])
@pytest.mark.parametrize("environment", [{}, ENDPOINT, {"OTEL_SDK_DISABLED": "true", **TRACES, **METRICS}])
def test_metrics_and_traces_are_only_where_they_are_asked_for(environment: dict[str, str], signal: Signal) -> None:
    assert read_otlp_settings(environment, signal) is None


def test_asked_for_they_need_no_endpoint_and_have_the_defaults_of_the_specification() -> None:
    traces = read_otlp_settings(TRACES, Signal.TRACES)
    metrics = read_otlp_settings(METRICS, Signal.METRICS)

    assert traces == OTLPSettings("http/protobuf", 10.0, 5.0, 2048, 512, Signal.TRACES)
    assert metrics is not None
    assert (metrics.protocol, metrics.timeout, metrics.schedule_delay) == ("http/protobuf", 10.0, 60.0)
    assert read_otlp_settings(TRACES | METRICS) is None


def test_each_signal_has_its_own_numbers() -> None:
    environment = TRACES | METRICS | ENDPOINT | {
        "OTEL_BLRP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "7", "OTEL_BSP_EXPORT_TIMEOUT": "400",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000", "OTEL_METRIC_EXPORT_TIMEOUT": "600",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
    }  # fmt: skip
    signals = (Signal.LOGS, Signal.TRACES, Signal.METRICS)
    logs, traces, metrics = (read_otlp_settings(environment, signal) for signal in signals)

    assert logs == OTLPSettings("http/protobuf", 10.0, 1.0, 10, 10)
    assert traces == OTLPSettings("grpc", 0.4, 0.3, 20, 7, Signal.TRACES)
    assert metrics is not None
    assert (metrics.protocol, metrics.timeout, metrics.schedule_delay) == ("http/protobuf", 0.6, 5.0)


@pytest.mark.parametrize(
    ("variable", "value", "signal"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", Signal.TRACES),
        ("OTEL_METRICS_EXPORTER", "prometheus", Signal.METRICS),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", Signal.TRACES),
        ("OTEL_PROPAGATORS", "tracecontext,b3", Signal.TRACES),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", Signal.TRACES),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m", Signal.METRICS),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", Signal.METRICS),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
            Signal.METRICS,
        ),
    ],
)
def test_what_cannot_be_obeyed_of_a_signal_is_refused_by_name(variable: str, value: str, signal: Signal) -> None:
    with pytest.raises(StartupError, match=variable):
        read_otlp_settings(TRACES | METRICS | {variable: value}, signal)


@pytest.mark.parametrize("argument", ["two", "1.5", "-0.1", "nan"])
def test_a_ratio_is_from_0_to_1(argument: str) -> None:
    environment = TRACES | {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}
    with pytest.raises(StartupError, match="OTEL_TRACES_SAMPLER_ARG"):
        read_otlp_settings(environment, Signal.TRACES)

    assert read_otlp_settings(environment | {"OTEL_TRACES_SAMPLER": "always_on"}, Signal.TRACES)


@pytest.mark.parametrize(
    ("environment", "honours"),
    [
        ({}, False),
        ({"OTEL_PROPAGATORS": "b3"}, False),
        (TRACES, True),
        (TRACES | {"OTEL_PROPAGATORS": "tracecontext, baggage"}, True),
        (TRACES | {"OTEL_PROPAGATORS": "none"}, False),
        (TRACES | {"OTEL_PROPAGATORS": "baggage"}, False),
        (TRACES | {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_a_clients_trace_is_honoured_where_spans_are_made_and_nobody_says_otherwise(
    environment: dict[str, str], honours: bool
) -> None:
    assert honours_trace_context(environment) is honours
