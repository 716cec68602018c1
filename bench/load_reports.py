"""What the load generators write at their end, read. Pure; a report of any wrong answer is a failure, not a figure."""

import re
from dataclasses import dataclass

import msgspec

from bench.errors import MeasurementFailed
from bench.setting import LARGE_BYTES


class WrkReport(msgspec.Struct, frozen=True):
    """What `wrk_summary.lua` writes."""

    duration_us: int
    requests: int
    bytes: int
    latency_p50_us: float
    latency_p99_us: float
    failed_connects: int
    failed_reads: int
    failed_writes: int
    bad_statuses: int
    timeouts: int

    def check(self) -> None:
        """Raise MeasurementFailed unless there were answers and each of them was good."""
        counts = {name: getattr(self, name) for name in self.__struct_fields__[5:]}
        wrong = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items() if count)
        if wrong:
            raise MeasurementFailed(f"of {self.requests} requests: {wrong}")
        if not self.requests:
            raise MeasurementFailed("not one request was answered")


def parse_wrk_report(output: bytes) -> WrkReport:
    """Find the report behind wrk's own text. Raises MeasurementFailed when it is not there or tells of errors."""
    last = output.strip().rpartition(b"\n")[2]
    try:
        report = msgspec.json.decode(last, type=WrkReport)
    except msgspec.DecodeError as error:
        raise MeasurementFailed(f"wrk wrote no report but: {last[:200].decode(errors='replace')}") from error
    report.check()
    return report


def parse_download_rates(output: bytes) -> list[float]:
    """Read a `status size bytes-per-second` line per body. Raises MeasurementFailed for any that is not whole."""
    return _rates(output, "a download")


def parse_upload_rates(output: bytes) -> list[float]:
    """The same of bodies that were sent."""
    return _rates(output, "an upload")


def _rates(output: bytes, what: str) -> list[float]:
    rates = []
    for line in output.decode().splitlines():
        status, size, rate = line.split()
        if status != "200" or int(size) != LARGE_BYTES:
            raise MeasurementFailed(f"{what} ended with status {status} after {size} of {LARGE_BYTES} bytes")
        rates.append(float(rate))
    return rates


@dataclass(frozen=True, slots=True)
class H2Report:
    """What h2load tells: whole answers, answers a second, and the mean time of one."""

    requests: int
    per_second: float
    mean_ms: float


_H2_SUMMARY = re.compile(
    r"finished in \S+, (?P<rate>[\d.]+) req/s.*?"
    r"(?P<done>\d+) done, (?P<good>\d+) succeeded, (?P<failed>\d+) failed, (?P<errored>\d+) errored, "
    r"(?P<late>\d+) timeout\s+status codes: (?P<ok>\d+) 2xx, (?P<others>\d+ 3xx, \d+ 4xx, \d+ 5xx).*?"
    r"time for request:\s+\S+\s+\S+\s+(?P<mean>[\d.]+)(?P<unit>us|ms|s)\b",
    re.DOTALL,
)
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_h2load_report(output: bytes) -> H2Report:
    """Raises MeasurementFailed when there is no report, no answer, a wrong one, or another protocol."""
    text = output.decode(errors="replace")
    found = _H2_SUMMARY.search(text)
    if found is None:
        raise MeasurementFailed(f"h2load wrote no report but: {' '.join(text.split())[-200:]}")
    if "Application protocol: h2" not in text:
        raise MeasurementFailed("the connections did not speak HTTP/2")
    wrong = {name: int(found[name]) for name in ("failed", "errored", "late") if int(found[name])}
    # There may be more of 2xx than whole answers: some had begun when the time was over.
    if wrong or found["others"] != "0 3xx, 0 4xx, 0 5xx" or int(found["ok"]) < int(found["good"]):
        raise MeasurementFailed(f"of {found['done']} calls {found['ok']} were 2xx, {found['others']}; {wrong}")
    if not int(found["good"]):
        raise MeasurementFailed("not one call was answered")
    return H2Report(int(found["good"]), float(found["rate"]), float(found["mean"]) * _MILLISECONDS[found["unit"]])


@dataclass(frozen=True, slots=True)
class DnsReport:
    """What dnsperf tells: answers, questions without one, and the seconds it took."""

    answers: int
    lost: int
    seconds: float


# UDP may lose a datagram where buffers are full; more than this share means that the server drops questions.
MOST_LOST = 0.001


def parse_dnsperf_report(output: bytes, rcode: str) -> DnsReport:
    """Raises MeasurementFailed when there is no report, no answer, too many losses, or another response code."""
    text = output.decode(errors="replace")
    answers, lost = _number(r"Queries completed:\s+(\d+)", text), _number(r"Queries lost:\s+(\d+)", text)
    seconds = _number(r"Run time \(s\):\s+([\d.]+)", text)
    if not answers:
        raise MeasurementFailed("not one question was answered")
    codes = dict(re.findall(r"([A-Z]+) (\d+) \(", text.partition("Response codes:")[2].partition("\n")[0]))
    if set(codes) != {rcode}:
        raise MeasurementFailed(f"answers had the response codes {codes}, not only {rcode}")
    if lost > answers * MOST_LOST:
        raise MeasurementFailed(f"{lost:.0f} of {answers + lost:.0f} questions were not answered")
    return DnsReport(int(answers), int(lost), seconds)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise MeasurementFailed(f"dnsperf wrote no report but: {' '.join(text.split())[-200:]}")
    return float(found[1])
