"""
The course of a run: origin, starts, then all arms side by side, every workload in interleaved rounds.

Called by `__main__.py`, which shows what comes back. Everything started here is stopped here, whatever happens.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.arms import Arm
from bench.certificates import make_certificates
from bench.errors import MeasurementFailed
from bench.figures import interleaved
from bench.free_ports import free_ports
from bench.origin import run_origin
from bench.results import ArmDescription, Failure, Figures, Result, Sample, Settings
from bench.running_arm import RunningArm, run_arm
from bench.setting import HOST, HOST_WITHOUT_SECRETS, Ports, Setting
from bench.workloads import AFTER_LOAD, START, Generator, Workload

# Enough to open the connections, sign the leaf and fill the caches.
WARM_UP_SECONDS = 1.0

Tell = Callable[[str], None]


def measure(arms: Sequence[Arm], workloads: Sequence[Workload], settings: Settings, tell: Tell) -> Result:
    """Run everything on this machine. Raises CannotBenchmark when there is no origin to fetch from."""
    result = Result(
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        commit=machine.commit(),
        settings=settings,
        machine=machine.describe_machine(),
        tools=machine.tool_versions(),
        arms=[],
        samples=[],
        failures=[],
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iron-proxy-bench-")))
        http, https = free_ports(2)
        setting = Setting(folder, make_certificates(folder, HOST, HOST_WITHOUT_SECRETS), Ports(http, https))
        stack.enter_context(run_origin(setting, settings.origin_core))
        course = Course(setting, settings, result, tell)
        present = course.present(arms)
        course.measure_starts(present)
        running = course.start_all(present, stack)
        for workload in workloads:
            course.measure_workload(workload, running)
        course.measure_memory(running)
    return result


class Course:
    """One run under way: what it needs at every step, and the result that it fills."""

    def __init__(self, setting: Setting, settings: Settings, result: Result, tell: Tell) -> None:
        self._setting = setting
        self._settings = settings
        self._result = result
        self._tell = tell
        self._generator = Generator(settings.load_core, setting.certificates.ca)

    def present(self, arms: Sequence[Arm]) -> list[Arm]:
        """Those that are installed; every one, also a missing one, gets its row."""
        found = []
        for arm in arms:
            reason = arm.missing()
            self._result.arms.append(ArmDescription(arm.name, arm.title, "" if reason else arm.version()))
            if reason is None:
                found.append(arm)
            else:
                self._fail(None, arm.name, reason)
        return found

    def measure_starts(self, arms: Sequence[Arm]) -> None:
        """From exec to the first answer over TLS, and the memory then, with a fresh process each time."""
        by_name = {arm.name: arm for arm in arms}
        for number, name in interleaved(list(by_name), self._settings.rounds):
            if self._has_failed(START, name):
                continue
            try:
                with run_arm(by_name[name], self._setting, self._settings.proxy_core) as running:
                    self._take(START, name, number, start_figures(running))
            except MeasurementFailed as error:
                self._fail(START, name, str(error))

    def start_all(self, arms: Sequence[Arm], stack: ExitStack) -> dict[str, RunningArm]:
        """Start every arm for the workloads; they idle while others are measured. The stack stops them."""
        running = {}
        for arm in arms:
            try:
                running[arm.name] = stack.enter_context(run_arm(arm, self._setting, self._settings.proxy_core))
            except MeasurementFailed as error:
                self._fail(None, arm.name, str(error))
        return running

    def measure_workload(self, workload: Workload, running: dict[str, RunningArm]) -> None:
        """Warm every arm up, then one round after the other. Who fails is left out of the rest of this workload."""
        for arm in running.values():
            self._attempt(workload, arm, None)
        for number, name in interleaved(list(running), self._settings.rounds):
            self._attempt(workload, running[name], number)

    def measure_memory(self, running: dict[str, RunningArm]) -> None:
        """What each holds after all that, and the most it held."""
        for name, arm in running.items():
            if arm.process is not None and (resident := arm.process.resident_mib()):
                self._take(AFTER_LOAD, name, 0, {"resident_mib": resident, "peak_mib": arm.process.peak_mib()})

    def _attempt(self, workload: Workload, arm: RunningArm, number: int | None) -> None:
        if self._has_failed(workload.name, arm.arm.name):
            return
        try:
            if number is None:
                self._warm_up(workload, arm)
            else:
                _, figures = workload.measure(arm, self._generator, self._settings.seconds)
                self._take(workload.name, arm.arm.name, number, figures)
        except MeasurementFailed as error:
            self._fail(workload.name, arm.arm.name, str(error))
        finally:
            arm.empty_log()

    def _warm_up(self, workload: Workload, arm: RunningArm) -> None:
        position = arm.log_size()
        requests, _ = workload.measure(arm, self._generator, WARM_UP_SECONDS)
        # An arm that does not log under load does less work than the others: it is not compared with them.
        arm.check_log(position, requests)

    def _has_failed(self, workload: str, arm: str) -> bool:
        return any(failure.arm == arm and failure.workload in (None, workload) for failure in self._result.failures)

    def _take(self, workload: str, arm: str, number: int, figures: Figures) -> None:
        if not figures:
            return
        self._result.samples.append(Sample(workload, arm, number, figures))
        shown = ", ".join(f"{value:.4g} {name.replace('_', ' ')}" for name, value in figures.items())
        self._tell(f"{workload}, round {number + 1}, {arm}: {shown}")

    def _fail(self, workload: str | None, arm: str, reason: str) -> None:
        self._result.failures.append(Failure(workload, arm, reason))
        self._tell(f"{workload or 'start'}, {arm}: FAILED: {reason}")


def start_figures(running: RunningArm) -> Figures:
    """How soon it answered and what it held then; nothing for the arm that has no process."""
    if running.process is None or running.first_answer_seconds is None:
        return {}
    return {"first_answer_ms": running.first_answer_seconds * 1e3, "resident_mib": running.process.resident_mib()}
