import datetime
from unittest.mock import patch

import pytest
from msgspec import UNSET
from tests.unit.audit.records import record_of

from iron_proxy.audit.outcome import ClientGone, Failed, Rejected, Stubbed
from iron_proxy.audit.record import timestamp


def test_an_allowed_request_needs_no_explanation() -> None:
    record = record_of()

    assert (record.level, record.action, record.status_code) == ("INFO", "allow", 200)
    assert record.rejected_by is record.stubbed_by is record.reason is record.error is UNSET


def test_a_rejection_says_by_whom_and_why() -> None:
    record = record_of(Rejected(403, "no rule matches", "allowlist"))

    assert (record.level, record.action, record.rejected_by) == ("WARN", "reject", "allowlist")
    assert record.reason == "no rule matches"
    assert record.code is UNSET


def test_a_rejection_has_the_word_for_programs_that_its_transform_gave() -> None:
    assert record_of(Rejected(403, "no rule matches", "allowlist", "host_not_allowed")).code == "host_not_allowed"


def test_a_bad_request_was_rejected_by_no_transform() -> None:
    record = record_of(Rejected(400, "malformed host"))

    assert record.rejected_by is UNSET
    assert record.reason == "malformed host"


def test_a_stub_says_by_whom() -> None:
    assert record_of(Stubbed(200, "stub")).stubbed_by == "stub"


def test_a_failure_says_what_failed() -> None:
    record = record_of(Failed(502, "dial tcp 127.0.0.5:80: denied"))

    assert (record.level, record.action, record.status_code) == ("ERROR", "error", 502)
    assert record.error == "dial tcp 127.0.0.5:80: denied"


def test_a_client_that_left_is_no_error() -> None:
    record = record_of(ClientGone())

    assert (record.level, record.action, record.status_code) == ("INFO", "client_cancel", 200)
    assert record.error is UNSET
    assert record.reason == "the client went away"


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0.0, 0.0), (0.0123456, 12.345), (1.0, 1000.0), (0.0000009, 0.0)]
)
def test_a_duration_is_in_milliseconds_to_the_microsecond(seconds: float, milliseconds: float) -> None:
    assert record_of(duration=seconds).duration_ms == milliseconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000_250_000_000, "2023-11-14T22:13:20.250000Z"),
        (1_700_000_000_000_001_000, "2023-11-14T22:13:20.000001Z"),
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999999Z"),
        (1_700_000_001_000_000_000, "2023-11-14T22:13:21.000000Z"),
        (1_699_999_999_999_999_000, "2023-11-14T22:13:19.999999Z"),     # a clock that was set back
    ],
)
def test_a_time_is_rfc_3339_in_utc_with_microseconds(nanoseconds: int, text: str) -> None:
    with patch("time.time_ns", return_value=nanoseconds):
        assert timestamp() == text


def test_a_time_is_the_clocks() -> None:
    before = datetime.datetime.now(datetime.UTC)

    written = datetime.datetime.fromisoformat(timestamp())

    assert before <= written <= datetime.datetime.now(datetime.UTC)
