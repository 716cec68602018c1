"""A client is started, limited, and gone afterwards."""

import os
from pathlib import Path

import pytest
from tests.fakes.waiting import wait_until
from tests.fakes.worked_proxy import is_gone

from iron_proxy.doctor.child import run_child

PLAIN = {"PATH": os.environ["PATH"]}


def test_status_and_complaint_are_kept(tmp_path: Path) -> None:
    end = run_child(["sh", "-c", "echo out; echo no >&2; exit 3"], PLAIN, tmp_path)

    assert (end.status, end.complaint) == (3, "no")


def test_it_sees_its_environment_folder_and_input_only(tmp_path: Path) -> None:
    end = run_child(["sh", "-c", 'cat >&2; echo "$A $PWD" >&2'], {**PLAIN, "A": "1"}, tmp_path, b"given ")

    assert end.complaint == f"given 1 {tmp_path}"


def test_the_end_of_a_long_complaint_is_kept_without_control_characters(tmp_path: Path) -> None:
    end = run_child(["sh", "-c", r"head -c 100000 /dev/zero >&2; printf '\033[31mlast\nwords' >&2"], PLAIN, tmp_path)

    assert end.complaint == "[31mlast\nwords"


def test_a_program_that_is_not_there_is_status_127(tmp_path: Path) -> None:
    assert run_child(["no-such-program"], PLAIN, tmp_path) == (
        type(run_child(["true"], PLAIN, tmp_path))(127, "no-such-program: no such file or directory")
    )


@pytest.mark.slow
def test_one_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "sleep 60 & echo $! > child; wait"

    end = run_child(["sh", "-c", script], PLAIN, tmp_path, time_limit=0.5)

    assert end.status is None
    wait_until(lambda: is_gone(int((tmp_path / "child").read_text())), 10)


def test_what_a_client_leaves_behind_is_killed(tmp_path: Path) -> None:
    end = run_child(["sh", "-c", "sleep 60 & echo $! > child"], PLAIN, tmp_path)

    assert end.status == 0
    wait_until(lambda: is_gone(int((tmp_path / "child").read_text())), 10)
