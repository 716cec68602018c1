"""The standard variables: none is off, each is obeyed or refused, and read in the specification's unit."""

import pytest

from iron_proxy.audit.otlp_settings import OTLPSettings, read_otlp_settings
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
