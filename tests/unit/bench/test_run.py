"""The course of a run, with arms and workloads that do nothing but count."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bench import run as run_module
from bench.arm import Arm, Launch
from bench.errors import MeasurementFailed, NotMeasured
from bench.groups import Group
from bench.results import Figures
from bench.run import Course
from bench.running_arm import RunningArm
from bench.setting import Ports, Setting
from bench.workloads import Generator
from tests.unit.bench.a_run import a_run, a_setting


@dataclass
class AnArm:
    name: str
    is_missing: str | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    title = "an arm"
    does = "Nothing."
    credential = "token"
    processes = 1

    def missing(self) -> str | None:
        return self.is_missing

    def version(self) -> str:
        return "1"

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        return Launch(Ports(1, 2))


@dataclass
class AWorkload:
    name: str
    error: MeasurementFailed | None = None
    warms_up: bool = True
    title = "a workload"
    asked: list[str] = field(default_factory=list)

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        self.asked.append(arm.arm.name)
        if self.error is not None:
            raise self.error
        return 1, {"figure": 1.0}


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arms without a process: they are running when they are asked for."""
    names: list[str] = []

    @contextmanager
    def run_arm(arm: Arm, setting: Setting, _cores: object) -> Iterator[RunningArm]:
        names.append(arm.name)
        yield RunningArm(arm, setting, Launch(Ports(1, 2)), None)

    monkeypatch.setattr(run_module, "run_arm", run_arm)
    return names


def course(tmp_path: Path, group: Group) -> tuple[Course, list[str]]:
    told: list[str] = []
    result = a_run(arms=[])
    return Course(group, a_setting(tmp_path), result.settings, result, told.append), told


def test_a_missing_program_has_its_row_and_the_run_goes_on(tmp_path: Path, started: list[str]) -> None:
    workload = AWorkload("work")
    group = Group("g", (AnArm("absent", "absent is not installed: get it"), AnArm("present")), (workload,))
    subject, told = course(tmp_path, group)

    subject.run()

    result = subject.result
    assert [(arm.name, arm.group) for arm in result.arms] == [("absent", "g"), ("present", "g")]
    assert [(failure.arm, failure.reason, failure.is_fault) for failure in result.failures] == [
        ("absent", "absent is not installed: get it", False)
    ]
    assert started == ["present"]
    assert {sample.arm for sample in result.samples} == {"present"}
    assert "start, absent: not measured: absent is not installed: get it" in told


def test_what_an_arm_cannot_do_is_said_and_not_tried(tmp_path: Path) -> None:
    workload = AWorkload("work")
    subject, _ = course(
        tmp_path, Group("g", (AnArm("old", cannot={"work": "it is too old"}), AnArm("new")), (workload,))
    )

    subject.run()

    assert set(workload.asked) == {"new"}
    assert [(failure.workload, failure.is_fault) for failure in subject.result.failures] == [("work", False)]


def test_a_failure_leaves_the_arm_out_of_that_workload_only(tmp_path: Path) -> None:
    bad, good = AWorkload("bad", MeasurementFailed("wrong answers")), AWorkload("good")
    subject, _ = course(tmp_path, Group("g", (AnArm("a"),), (bad, good)))

    subject.run()

    assert bad.asked == ["a"]
    assert len(good.asked) == 1 + 3  # warm-up and rounds
    assert [failure.is_fault for failure in subject.result.failures] == [True]


def test_an_arm_that_does_not_start_fails_in_its_own_group_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def run_arm(_arm: Arm, _setting: Setting, _cores: object) -> Iterator[RunningArm]:
        raise MeasurementFailed("ended with status 1")
        yield

    monkeypatch.setattr(run_module, "run_arm", run_arm)
    subject, _ = course(tmp_path, Group("g", (AnArm("a"),), (AWorkload("one"), AWorkload("two"))))

    subject.run()

    assert [(failure.workload, failure.arm) for failure in subject.result.failures] == [("one", "a"), ("two", "a")]


def test_a_tool_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    workload = AWorkload("work", NotMeasured("dnsperf is not installed"))
    subject, _ = course(tmp_path, Group("g", (AnArm("a"),), (workload,)))

    subject.run()

    assert [failure.is_fault for failure in subject.result.failures] == [False]


def test_what_may_be_done_once_is_done_once_and_not_warmed_up(tmp_path: Path) -> None:
    workload = AWorkload("work", warms_up=False)
    subject, _ = course(tmp_path, Group("g", (AnArm("a"), AnArm("b")), (workload,), most_rounds=1))

    subject.run()

    assert workload.asked == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="starts watch the key by inotify")
def test_starts_are_measured_where_the_group_asks_for_them(tmp_path: Path, started: list[str]) -> None:
    setting = a_setting(tmp_path)
    setting.certificates.ca_key.write_text("PEM")
    subject, _ = course(tmp_path, Group("g", (AnArm("a"),), (AWorkload("work"),), measures_starts=True))

    subject.run()

    assert started == ["a"] * (3 + 1)
