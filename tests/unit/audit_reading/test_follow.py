import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from iron_proxy.audit_reading.follow import FollowedFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"first\n")
    return path


@pytest.fixture
def followed(path: Path) -> Iterator[FollowedFile]:
    file = FollowedFile(str(path))
    yield file
    file.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def rotate(path: Path, keep: int = 5) -> None:
    """As `audit.output: file` does it: everything one number up."""
    for number in range(keep, 0, -1):
        old = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if old.exists():
            old.rename(path.with_name(f"{path.name}.{number}"))
    path.touch()


def test_what_is_appended_comes_line_by_line(path: Path, followed: FollowedFile) -> None:
    assert followed.lines() == [b"first"]
    assert followed.lines() == []

    append(path, b"second\nthi")
    assert followed.lines() == [b"second"]

    append(path, b"rd\n")
    assert followed.lines() == [b"third"]


def test_a_rotation_loses_nothing(path: Path, followed: FollowedFile) -> None:
    followed.lines()
    append(path, b"before\n")
    rotate(path)
    append(path, b"after\n")

    assert followed.lines() == [b"before", b"after"]


def test_several_rotations_between_two_looks_lose_nothing(path: Path, followed: FollowedFile) -> None:
    followed.lines()
    for number in range(4):
        rotate(path)
        append(path, b"%d\n" % number)

    assert followed.lines() == [b"0", b"1", b"2", b"3"]
    append(path, b"later\n")
    assert followed.lines() == [b"later"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(path: Path, followed: FollowedFile) -> None:
    followed.lines()
    os.truncate(path, 0)
    append(path, b"new\n")

    assert followed.lines() == [b"new"]


def test_a_moment_without_the_file_is_waited_out(path: Path, followed: FollowedFile) -> None:
    followed.lines()
    path.rename(path.with_name("elsewhere"))
    assert followed.lines() == []

    path.write_bytes(b"back\n")
    assert followed.lines() == [b"back"]


def test_what_a_rotation_tore_off_stays_a_line_of_its_own(path: Path, followed: FollowedFile) -> None:
    append(path, b"torn")
    assert followed.lines() == [b"first"]
    rotate(path)
    append(path, b"whole\n")

    assert followed.lines() == [b"torn", b"whole"]


def test_a_file_that_is_not_there_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FollowedFile(str(tmp_path / "none"))
