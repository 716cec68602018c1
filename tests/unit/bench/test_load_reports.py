import pytest
from bench.errors import MeasurementFailed
from bench.load_reports import (
    parse_dnsperf_report,
    parse_download_rates,
    parse_h2load_report,
    parse_upload_rates,
    parse_wrk_report,
)
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


def test_an_upload_that_is_not_whole_is_a_failure() -> None:
    assert parse_upload_rates(f"200 {LARGE_BYTES} 5000\n".encode()) == [5000.0]
    with pytest.raises(MeasurementFailed, match="an upload ended with status 413"):
        parse_upload_rates(f"413 {LARGE_BYTES} 5000\n".encode())


H2_REPORT = """
Application protocol: {protocol}
finished in 1.02s, {rate} req/s, 16.80MB/s
requests: 900 total, 902 started, 900 done, {good} succeeded, {failed} failed, {errored} errored, {late} timeout
status codes: {ok} 2xx, 0 3xx, 0 4xx, {fives} 5xx
traffic: 16.80MB (17620526) total, 11.80MB (12369210) headers (space savings 0.00%), 782.95KB (801745) data
                     min         max         mean         sd        +/- sd
time for request:       10us      3.98ms       {mean}        24us    98.79%
time for connect:        9us        18us        14us         6us   100.00%
"""


def h2_report(
    good: int = 900, ok: int | None = None, protocol: str = "h2", mean: str = "1.50ms", **wrong: int
) -> bytes:
    counts = {"failed": 0, "errored": 0, "late": 0, "fives": 0} | wrong
    ok = good if ok is None else ok
    return H2_REPORT.format(good=good, ok=ok, protocol=protocol, mean=mean, rate="900.50", **counts).encode()


@pytest.mark.parametrize(("mean", "milliseconds"), [("1.50ms", 1.5), ("250us", 0.25), ("2s", 2000.0)])
def test_h2loads_report_is_read_in_every_unit(mean: str, milliseconds: float) -> None:
    found = parse_h2load_report(h2_report(mean=mean))

    assert (found.requests, found.per_second) == (900, 900.5)
    assert found.mean_ms == pytest.approx(milliseconds)


def test_answers_that_had_only_begun_at_the_end_are_not_counted() -> None:
    assert parse_h2load_report(h2_report(good=365, ok=475)).requests == 365


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (h2_report(failed=7), "failed.*7"),
        (h2_report(errored=7), "errored.*7"),
        (h2_report(late=7), "late.*7"),
        (h2_report(ok=800), "of 900 calls 800 were 2xx"),
        (h2_report(fives=3), "of 900 calls 900 were 2xx, 0 3xx, 0 4xx, 3 5xx"),
        (h2_report(good=0), "not one call"),
        (h2_report(protocol="http/1.1"), "did not speak HTTP/2"),
        (b"connection refused", "wrote no report but: connection refused"),
    ],
    ids=["failed", "errored", "late", "too few good ones", "other status", "nothing", "other protocol", "no report"],
)
def test_a_report_of_any_wrong_call_is_a_failure(output: bytes, reason: str) -> None:
    with pytest.raises(MeasurementFailed, match=reason):
        parse_h2load_report(output)


def dns_report(codes: str = "NOERROR 5000 (100.00%)", completed: int = 5000, lost: int = 0) -> bytes:
    return f"""
Statistics:

  Queries sent:         {completed + lost}
  Queries completed:    {completed} (99.00%)
  Queries lost:         {lost} (1.00%)

  Response codes:       {codes}
  Average packet size:  request 27, response 0
  Run time (s):         2.000179
  Queries per second:   2500.000000
""".encode()


def test_dnsperfs_report_is_read() -> None:
    found = parse_dnsperf_report(dns_report(lost=3), "NOERROR")

    assert (found.answers, found.lost, found.seconds) == (5000, 3, 2.000179)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (dns_report("NOERROR 4999 (99.98%), SERVFAIL 1 (0.02%)"), "SERVFAIL"),
        (dns_report("REFUSED 5000 (100.00%)"), "REFUSED.*not only NOERROR"),
        (dns_report(lost=6), "6 of 5006 questions were not answered"),
        (dns_report(completed=0, codes="", lost=100), "not one question"),
        (b"unknown host", "dnsperf wrote no report but: unknown host"),
    ],
    ids=["two codes", "other code", "losses", "nothing", "no report"],
)
def test_a_report_of_wrong_or_missing_answers_is_a_failure(output: bytes, reason: str) -> None:
    with pytest.raises(MeasurementFailed, match=reason):
        parse_dnsperf_report(output, "NOERROR")
