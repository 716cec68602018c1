"""
The course of a run: origin, then group by group: starts, all arms side by side, every workload in interleaved rounds.

Called by `__main__.py`, which shows what comes back. Everything started here is stopped here, whatever happens.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.arm import Arm
from bench.certificates import make_certificates
from bench.errors import MeasurementFailed, NotMeasured
from bench.figures import interleaved
from bench.free_ports import free_ports
from bench.groups import Group
from bench.key_watch import KeyWatch
from bench.origin import run_origin
from bench.results import ArmDescription, Failure, Figures, Result, Sample, Settings
from bench.running_arm import RunningArm, run_arm
from bench.setting import HOST, HOST_WITHOUT_SECRETS, Ports, Setting
from bench.workloads import AFTER_LOAD, START, Generator, Workload

# Enough to open the connections, sign the leaf and fill the caches.
WARM_UP_SECONDS = 1.0

Tell = Callable[[str], None]


def measure(groups: Sequence[Group], settings: Settings, tell: Tell) -> Result:
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
        names = (HOST, HOST_WITHOUT_SECRETS)
        setting = Setting(folder, make_certificates(folder, *names), Ports(*free_ports(3)))
        stack.enter_context(run_origin(setting, settings.origin_core))
        for group in groups:
            Course(group, setting, settings, result, tell).run()
    return result


class Course:
    """One group's run under way: what it needs at every step, and the result that it fills."""

    def __init__(self, group: Group, setting: Setting, settings: Settings, result: Result, tell: Tell) -> None:
        self._group = group
        self._setting = setting
        self._settings = settings
        self._rounds = min(settings.rounds, group.most_rounds or settings.rounds)
        self.result = result
        self._tell = tell
        self._generator = Generator(settings.load_core, setting.certificates.ca)

    def run(self) -> None:
        """Starts, then all arms side by side; they are stopped before the next group's begin."""
        present = self.present()
        if self._group.measures_starts:
            self.measure_starts(present)
        with ExitStack() as stack:
            running = self.start_all(present, stack)
            for workload in self._group.workloads:
                self.measure_workload(workload, running)
            if self._group.measures_starts:
                self.measure_memory(running)

    def present(self) -> list[Arm]:
        """Those that are installed; every one, also a missing one, gets its row."""
        found = []
        for arm in self._group.arms:
            reason = arm.missing()
            version = "" if reason else arm.version()
            self.result.arms.append(ArmDescription(arm.name, arm.title, version, arm.does, self._group.name))
            if reason is not None:
                self._fail(None, arm.name, reason, is_fault=False)
                continue
            found.append(arm)
            for workload in self._group.workloads:
                if reason := arm.cannot.get(workload.name):
                    self._fail(workload.name, arm.name, reason, is_fault=False)
        return found

    def measure_starts(self, arms: Sequence[Arm]) -> None:
        """From exec to the first answer over TLS, and the memory then, with a fresh process each time."""
        by_name = {arm.name: arm for arm in arms}
        for number, name in interleaved(list(by_name), self._rounds):
            if self._has_failed(START, name):
                continue
            try:
                with KeyWatch(self._setting.certificates.ca_key) as key, self._run_arm(by_name[name]) as running:
                    self._take(START, name, number, start_figures(running, key.read_at))
            except MeasurementFailed as error:
                self._fail(START, name, str(error))

    def start_all(self, arms: Sequence[Arm], stack: ExitStack) -> dict[str, RunningArm]:
        """Start every arm for the workloads; they idle while others are measured. The stack stops them."""
        running = {}
        for arm in arms:
            try:
                running[arm.name] = stack.enter_context(self._run_arm(arm))
            except MeasurementFailed as error:
                for workload in self._group.workloads:  # of this group: the same name may do well in another one
                    self._fail(workload.name, arm.name, str(error))
        return running

    def _run_arm(self, arm: Arm) -> AbstractContextManager[RunningArm]:
        return run_arm(arm, self._setting, cores_of(arm, self._settings))

    def measure_workload(self, workload: Workload, running: dict[str, RunningArm]) -> None:
        """Warm every arm up, then one round after the other. Who fails is left out of the rest of this workload."""
        if workload.warms_up:
            for arm in running.values():
                self._attempt(workload, arm, None)
        for number, name in interleaved(list(running), self._rounds):
            self._attempt(workload, running[name], number)

    def measure_memory(self, running: dict[str, RunningArm]) -> None:
        """What each holds after all that."""
        for name, arm in running.items():
            if arm.process is not None and (resident := arm.process.resident_mib()):
                self._take(AFTER_LOAD, name, 0, {"resident_mib": resident})

    def _attempt(self, workload: Workload, arm: RunningArm, number: int | None) -> None:
        if self._has_failed(workload.name, arm.arm.name):
            return
        try:
            if number is None:
                self._warm_up(workload, arm)
            else:
                _, figures = workload.measure(arm, self._generator, self._settings.seconds)
                self._take(workload.name, arm.arm.name, number, figures)
        except NotMeasured as error:
            self._fail(workload.name, arm.arm.name, str(error), is_fault=False)
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
        return any(failure.arm == arm and failure.workload in (None, workload) for failure in self.result.failures)

    def _take(self, workload: str, arm: str, number: int, figures: Figures) -> None:
        if not figures:
            return
        self.result.samples.append(Sample(workload, arm, number, figures))
        shown = ", ".join(f"{value:.4g} {name.replace('_', ' ')}" for name, value in figures.items())
        self._tell(f"{workload}, round {number + 1}, {arm}: {shown}")

    def _fail(self, workload: str | None, arm: str, reason: str, *, is_fault: bool = True) -> None:
        failure = Failure(workload, arm, reason, is_fault)
        if failure in self.result.failures:
            return  # a program that is missing in two groups is missing once
        self.result.failures.append(failure)
        self._tell(f"{workload or 'start'}, {arm}: {'FAILED' if is_fault else 'not measured'}: {reason}")


def cores_of(arm: Arm, settings: Settings) -> set[int] | None:
    """
    The proxy's core; for several processes a second one. Pure.

    Where there is none to spare they are not pinned: on one core two workers would be measured as one.
    """
    if settings.proxy_core is None:
        return None
    if arm.processes == 1:
        return {settings.proxy_core}
    return None if settings.second_proxy_core is None else {settings.proxy_core, settings.second_proxy_core}


def start_figures(running: RunningArm, key_read_at: float | None) -> Figures:
    """How soon it answered and what it held then; nothing for the arm that has no process."""
    if running.process is None or running.first_answer_seconds is None:
        return {}
    figures = {"first_answer_ms": running.first_answer_seconds * 1e3, "resident_mib": running.process.resident_mib()}
    if key_read_at is not None:
        figures["key_read_ms"] = (key_read_at - running.began) * 1e3
    return figures
