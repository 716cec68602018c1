import itertools
from pathlib import Path

import pytest
from bench.arm import Arm, said_by
from bench.arms import ARMS, BASE, QUICK_ARMS, REFERENCE
from bench.setting import UNARY
from bench.workloads import STANDARD_WORKLOADS
from tests.unit.bench.a_run import a_setting

RIVALS = [arm for arm in ARMS if arm.name not in ("direct", "iron-proxy", "iron-proxy-2-workers")]


def written(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.iterdir()) if path.is_file())


def test_rows_have_names_of_their_own_and_the_two_that_others_are_compared_with() -> None:
    names = [arm.name for arm in ARMS]

    assert len(set(names)) == len(names)
    assert {BASE, REFERENCE} <= set(names)
    assert {arm.name for arm in QUICK_ARMS} <= set(names)


def test_every_arm_says_in_the_report_what_it_was_configured_to_do() -> None:
    assert all(arm.does.endswith(".") for arm in ARMS)


def test_what_an_arm_cannot_do_is_a_workload() -> None:
    names = {workload.name for workload in STANDARD_WORKLOADS}

    assert set(itertools.chain.from_iterable(arm.cannot for arm in ARMS)) <= names


@pytest.mark.parametrize("arm", RIVALS, ids=lambda arm: arm.name)
def test_a_rival_does_the_comparable_job_where_it_is_told_to(
    arm: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.chown", lambda _path, _user: None)  # a user whom only a package brings
    setting = a_setting(tmp_path)
    folder = tmp_path / "arm"
    folder.mkdir()

    launch = arm.prepare(setting, folder)
    told = " ".join(launch.command) + " ".join(launch.environment.values()) + written(folder)

    assert str(launch.ports.https) in told
    assert str(launch.ports.http) in told
    assert str(setting.origin.http) in told
    assert str(setting.origin.https) in told
    assert str(setting.certificates.ca) in told  # the origin is verified
    assert "Bearer sk-real-secret" in told  # the credential is set
    assert launch.log is not None  # a line per request, counted in the warm-up


@pytest.mark.parametrize("name", ["nginx", "envoy", "haproxy"])
def test_unary_calls_go_to_the_origin_that_answers_them(name: str, tmp_path: Path) -> None:
    arm = next(arm for arm in ARMS if arm.name == name)
    folder = tmp_path / "arm"
    folder.mkdir()

    arm.prepare(a_setting(tmp_path), folder)

    assert UNARY in written(folder)
    assert "8444" in written(folder)


def test_a_program_that_is_not_there_has_no_known_version() -> None:
    assert said_by("/nonexistent/program", "--version") == "unknown"
