"""
The load generators: wrk for many requests, h2load for HTTP/2, curl for large bodies, dnsperf for DNS. Their reports are
read by `load_reports.py`, and believed only when every answer was the right one.

All run on the load generator's core and are bounded in time.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.errors import MeasurementFailed, NotMeasured
from bench.load_reports import (
    DnsReport,
    H2Report,
    WrkReport,
    parse_dnsperf_report,
    parse_download_rates,
    parse_h2load_report,
    parse_upload_rates,
    parse_wrk_report,
)
from bench.setting import LARGE_BYTES, SMALL_BODY, UNKNOWN_HOSTS
from bench.started_process import on_core

WRK_REPORT = Path(__file__).with_name("wrk_summary.lua")
WRK_VARIED = Path(__file__).with_name("wrk_varied.lua")
# A load generator that has not ended this long after its time hangs.
LATE = 20.0
# One 100 MB body takes a quarter of a second; at a hundredth of that rate something is broken.
DOWNLOAD_PATIENCE = 30.0
# More than any cache of answers would hold.
DNS_NAMES = 100_000
_UPLOAD_REPORT = "%{http_code} %{size_upload} %{speed_upload}\n"


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


def upload(url: str, headers: Mapping[str, str], ca: Path, times: int, core: int | None) -> list[float]:
    """Send a body of 100 MB so often over one connection; bytes per second of each. Raises MeasurementFailed."""
    command = ["curl", "-sS", "--cacert", str(ca), "-X", "POST", "-w", _UPLOAD_REPORT]
    with tempfile.TemporaryDirectory(prefix="iron-proxy-bench-") as folder:
        body = Path(folder) / "body"
        with body.open("wb") as file:
            file.truncate(LARGE_BYTES)  # zeros, which take no room; no proxy here looks for what compresses
        targets = [part for _ in range(times) for part in ("-T", str(body), "-o", "/dev/null", url)]
        return parse_upload_rates(_output_of(command, headers, targets, times * DOWNLOAD_PATIENCE, core))


def call_repeatedly(
    url: str,
    port: int,
    headers: Mapping[str, str],
    connections_and_streams: tuple[int, int],
    seconds: float,
    core: int | None,
) -> H2Report:
    """POST a small body over HTTP/2 to the URL, connecting to that port. Raises MeasurementFailed."""
    _check_installed("h2load", "nghttp2-client")
    connections, streams = connections_and_streams
    with tempfile.NamedTemporaryFile(prefix="iron-proxy-bench-") as body:
        body.write(SMALL_BODY)
        body.flush()
        command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{max(1, round(seconds))}", "-d", body.name]
        command += [f"--connect-to=127.0.0.1:{port}"]
        return parse_h2load_report(_output_of(command, headers, [url], seconds + LATE, core))


def ask_dns_repeatedly(port: int, rcode: str, seconds: float, core: int | None) -> DnsReport:
    """Ask for addresses of names by turns; each answer has to have that response code. Raises MeasurementFailed."""
    _check_installed("dnsperf", "dnsperf")
    with tempfile.NamedTemporaryFile("w", prefix="iron-proxy-bench-") as questions:
        questions.writelines(f"q{number}.dns.{UNKNOWN_HOSTS} A\n" for number in range(DNS_NAMES))
        questions.flush()
        command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", questions.name]
        command += ["-l", str(max(1, round(seconds)))]
        return parse_dnsperf_report(_output_of(command, {}, [], seconds + LATE, core), rcode)


def _check_installed(command: str, package: str) -> None:
    if shutil.which(command) is None:
        raise NotMeasured(f"{command} is not installed: apt-get install {package}")


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
