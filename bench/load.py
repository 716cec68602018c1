"""
The two load generators: wrk for many requests, curl for large bodies. Their reports are read here, and believed only
when every answer was the right one.

Both run on the load generator's core and are bounded in time.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.errors import MeasurementFailed
from bench.setting import LARGE_BYTES
from bench.started_process import on_core

WRK_REPORT = Path(__file__).with_name("wrk_summary.lua")
WRK_VARIED = Path(__file__).with_name("wrk_varied.lua")
# A load generator that has not ended this long after its time hangs.
LATE = 20.0
# One 100 MB body takes a quarter of a second; at a hundredth of that rate something is broken.
DOWNLOAD_PATIENCE = 30.0


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
    rates = []
    for line in output.decode().splitlines():
        status, size, rate = line.split()
        if status != "200" or int(size) != LARGE_BYTES:
            raise MeasurementFailed(f"a download ended with status {status} after {size} of {LARGE_BYTES} bytes")
        rates.append(float(rate))
    return rates


def request_repeatedly(
    url: str, headers: Mapping[str, str], connections: int, seconds: float, core: int | None, *, varied: bool = False
) -> WrkReport:
    """
    GET the URL over kept connections, each asking again as soon as it is answered. Raises MeasurementFailed.

    `varied`: with another query each time.
    """
    script = WRK_VARIED if varied else WRK_REPORT
    # wrk takes whole seconds only, with a unit.
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    return parse_wrk_report(_output_of(command, headers, [url], seconds + LATE, core))


def download(url: str, headers: Mapping[str, str], ca: Path, times: int, core: int | None) -> list[float]:
    """Fetch the large body so often over one connection; bytes per second of each. Raises MeasurementFailed."""
    command = ["curl", "-sS", "--cacert", str(ca), "-w", "%{http_code} %{size_download} %{speed_download}\n"]
    targets = [part for _ in range(times) for part in ("-o", "/dev/null", url)]
    return parse_download_rates(_output_of(command, headers, targets, times * DOWNLOAD_PATIENCE, core))


def _output_of(
    command: list[str], headers: Mapping[str, str], targets: list[str], patience: float, core: int | None
) -> bytes:
    arguments = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    try:
        with on_core(core):
            done = subprocess.run([*command, *arguments, *targets], capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(f"{command[0]} did not end within {patience:.0f} s") from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise MeasurementFailed(f"{command[0]} failed: {words[:300]}")
    return done.stdout
