import pytest
from bench.errors import MeasurementFailed
from bench.load import parse_download_rates, parse_wrk_report
from bench.setting import LARGE_BYTES

REPORT = (
    '{{"duration_us":2000000,"requests":{requests},"bytes":900,"latency_p50_us":410.0,"latency_p99_us":980.5,'
    '"failed_connects":0,"failed_reads":{reads},"failed_writes":0,"bad_statuses":{statuses},"timeouts":0}}'
)
CHATTER = "Running 2s test @ https://localhost:1/small\n  1 threads and 32 connections\n\n"


def report(requests: int = 1000, reads: int = 0, statuses: int = 0) -> bytes:
    return (CHATTER + REPORT.format(requests=requests, reads=reads, statuses=statuses) + "\n").encode()


def test_the_report_is_found_behind_the_chatter() -> None:
    found = parse_wrk_report(report())

    assert (found.requests, found.duration_us, found.latency_p99_us) == (1000, 2_000_000, 980.5)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (report(statuses=7), "of 1000 requests: bad statuses: 7"),
        (report(reads=1, statuses=2), "failed reads: 1, bad statuses: 2"),
        (report(requests=0), "not one request was answered"),
        (b"unable to connect to localhost:1 Connection refused\n", "unable to connect"),
        (b"", "wrk wrote no report"),
    ],
    ids=["wrong status", "two kinds of errors", "no answer at all", "no report", "nothing"],
)
def test_a_run_with_any_wrong_answer_is_a_failure_and_not_a_figure(output: bytes, reason: str) -> None:
    with pytest.raises(MeasurementFailed, match=reason):
        parse_wrk_report(output)


def test_each_download_gives_its_rate() -> None:
    assert parse_download_rates(f"200 {LARGE_BYTES} 5000\n200 {LARGE_BYTES} 7000\n".encode()) == [5000.0, 7000.0]


@pytest.mark.parametrize("line", [f"403 {LARGE_BYTES} 1", "200 17 1"], ids=["denied", "cut short"])
def test_a_download_that_is_not_whole_is_a_failure(line: str) -> None:
    with pytest.raises(MeasurementFailed, match="a download ended with status"):
        parse_download_rates(line.encode())
