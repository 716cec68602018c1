"""
An arm that answers: started, pinned, asked until its first answer is right, and its log checked for every request.

`run_arm` is a context manager; leaving it stops the arm's process.
"""

import http.client
import os
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.arm import OUTPUT_FILE, Arm, Launch
from bench.errors import MeasurementFailed
from bench.setting import HOST, HOST_WITHOUT_SECRETS, SMALL, SMALL_BODY, Setting
from bench.started_process import StartedProcess, start

# The target is half a second, with ten thousand rules some more; an arm that needs this long has a fault.
FIRST_ANSWER_PATIENCE = 30.0
# Between two attempts to connect: it is the error of the figure, and a core spinning here would cost the arm nothing.
ATTEMPT_INTERVAL = 0.001
# nginx writes what it has buffered once a second.
LOG_PATIENCE = 3.0


class RunningArm:
    """One arm under measurement."""

    def __init__(self, arm: Arm, setting: Setting, launch: Launch, process: StartedProcess | None) -> None:
        self.arm = arm
        self.process = process
        self.first_answer_seconds: float | None = None
        # When its program was started, on the clock of `time.perf_counter`.
        self.began = time.perf_counter()
        self._setting = setting
        self._launch = launch

    def url(self, scheme: str, path: str, host: str = HOST) -> str:
        """Where the load generator sends its requests."""
        shown = "https" if scheme == "h2" else scheme
        return f"{shown}://{host}:{self._launch.ports.of(scheme)}{path}"

    def port(self, scheme: str) -> int:
        """Where it listens on 127.0.0.1."""
        return self._launch.ports.of(scheme)

    def dns_port(self) -> int:
        """Where it answers DNS questions. Raises MeasurementFailed when it does not."""
        if self._launch.dns_port is None:
            raise MeasurementFailed("it has no DNS server")
        return self._launch.dns_port

    def origin_url(self, scheme: str, path: str) -> str:
        """The URL that names the origin, for a load generator that is told apart whom to connect to."""
        shown = "https" if scheme == "h2" else scheme
        return f"{shown}://{self._setting.authority(scheme)}{path}"

    def headers(self, scheme: str, carries_token: bool) -> dict[str, str]:
        """What every request carries: the origin's authority, and the credential where it is wanted."""
        if not carries_token:
            return {"Host": self._setting.authority(scheme, HOST_WITHOUT_SECRETS)}
        return {"Host": self._setting.authority(scheme), "Authorization": f"Bearer {self.arm.credential}"}

    def cpu_seconds(self) -> float | None:
        """CPU time so far; None where there is no process. Raises MeasurementFailed when it has ended."""
        if self.process is None:
            return None
        self.process.check_alive()
        return self.process.cpu_seconds()

    def memory_mib(self) -> float | None:
        """Resident memory now; from here on the process's peak counts anew. None where there is no process."""
        if self.process is None:
            return None
        self.process.forget_peak()
        return self.process.resident_mib()

    def wait_for_first_answer(self, since: float) -> None:
        """Ask over TLS until the right answer comes. Raises MeasurementFailed with the last trouble."""
        trouble = "no attempt was made"
        while time.perf_counter() - since < FIRST_ANSWER_PATIENCE:
            if self.process is not None:
                self.process.check_alive()
            try:
                self.check_answer("https")
            except ConnectionRefusedError:
                trouble = "connection refused"
                time.sleep(ATTEMPT_INTERVAL)
                continue
            except (OSError, http.client.HTTPException) as error:
                raise MeasurementFailed(f"the first request failed: {error}{self._last_words()}") from error
            self.first_answer_seconds = time.perf_counter() - since
            return
        raise MeasurementFailed(f"no answer within {FIRST_ANSWER_PATIENCE:.0f} s: {trouble}")

    def check_answer(self, scheme: str) -> None:
        """Fetch the small answer, certificate verified. Raises MeasurementFailed when it is another one."""
        connection = self._connect(scheme)
        try:
            connection.request("GET", SMALL, headers=self.headers(scheme, carries_token=True))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200 or body != SMALL_BODY:
            raise MeasurementFailed(f"{scheme}: status {response.status}, {len(body)} bytes, not the origin's answer")

    def log_size(self) -> int:
        """Bytes in the request log."""
        return self._launch.log.stat().st_size if self._launch.log is not None else 0

    def check_log(self, position: int, requests: int) -> None:
        """Raise MeasurementFailed unless the log has grown by a line per request since it was `position` bytes long."""
        if self._launch.log is None:
            return
        deadline = time.monotonic() + LOG_PATIENCE
        while (lines := lines_after(self._launch.log, position)) < requests:
            if time.monotonic() > deadline:
                raise MeasurementFailed(f"the log has {lines} lines for {requests} requests")
            time.sleep(0.05)

    def empty_log(self) -> None:
        """Give the disk its space back. Who appends goes on at the new end."""
        if self._launch.log is not None:
            os.truncate(self._launch.log, 0)

    def _last_words(self) -> str:
        words = self.process.last_words() if self.process is not None else ""
        return f"; it printed: {words}" if words else ""

    def _connect(self, scheme: str) -> http.client.HTTPConnection:
        port = self._launch.ports.of(scheme)
        if scheme == "http":
            return http.client.HTTPConnection(HOST, port, timeout=5)
        context = ssl.create_default_context(cafile=self._setting.certificates.ca)
        return http.client.HTTPSConnection(HOST, port, timeout=5, context=context)


def lines_after(log: Path, position: int) -> int:
    """How many lines end behind that position."""
    with log.open("rb") as file:
        file.seek(position)
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


@contextmanager
def run_arm(arm: Arm, setting: Setting, cores: Collection[int] | None) -> Iterator[RunningArm]:
    """Start an arm and wait until it answers on both ports. Raises MeasurementFailed."""
    directory = setting.directory / f"{arm.name}-{time.monotonic_ns()}"
    directory.mkdir()
    launch = arm.prepare(setting, directory)
    with ExitStack() as stack:
        began = time.perf_counter()
        process = None
        if launch.command:
            output = directory / OUTPUT_FILE
            process = stack.enter_context(start(launch.command, launch.environment, output, cores))
        running = RunningArm(arm, setting, launch, process)
        running.began = began
        running.wait_for_first_answer(began)
        running.check_answer("http")
        yield running
