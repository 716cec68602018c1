"""Whole lines in files of their size, the newest under its name, whatever happens around it."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.audit import rotating_file
from iron_proxy.audit.rotating_file import RotatingFile

Open = Callable[..., RotatingFile]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    files = []

    def open_file(max_size: int | None = 100, keep: int = 2, syncs: bool = False) -> RotatingFile:
        file = RotatingFile(str(path), max_size=max_size, keep=keep, syncs=syncs)
        files.append(file)
        file.open()
        return file

    yield open_file
    for file in files:
        file.close()


def write(file: RotatingFile, text: str) -> None:
    line = text.encode() + b"\n"
    file.make_room(len(line))
    assert file.write(memoryview(line)) == len(line)


def contents(path: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in sorted(path.parent.iterdir())}


def test_lines_are_appended_to_what_is_there_and_only_the_owner_reads_them(opened: Open, path: Path) -> None:
    path.write_text("old\n")
    path.chmod(0o644)
    file = opened()

    write(file, "new")

    assert path.read_text() == "old\nnew\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_has_its_size_is_put_aside_and_the_oldest_goes(opened: Open, path: Path) -> None:
    file = opened(max_size=20)
    for number in range(4):
        write(file, f"{number}" * 15)

    assert contents(path) == {
        "audit.jsonl": "3" * 15 + "\n", "audit.jsonl.1": "2" * 15 + "\n", "audit.jsonl.2": "1" * 15 + "\n",
    }  # fmt: skip
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_a_line_that_is_larger_than_the_size_has_a_file_of_its_own(opened: Open, path: Path) -> None:
    file = opened(max_size=20)
    write(file, "a")
    write(file, "b" * 50)

    assert contents(path) == {"audit.jsonl": "b" * 50 + "\n", "audit.jsonl.1": "a\n"}


def test_nothing_is_kept_where_nothing_is_to_be(opened: Open, path: Path) -> None:
    file = opened(max_size=20, keep=0)
    write(file, "a" * 15)
    write(file, "b" * 15)

    assert contents(path) == {"audit.jsonl": "b" * 15 + "\n"}


def test_without_a_limit_it_grows(opened: Open, path: Path) -> None:
    file = opened(max_size=None)
    for _ in range(10):
        write(file, "a" * 50)

    assert [*contents(path)] == ["audit.jsonl"]


def test_a_file_that_cannot_be_put_aside_goes_on_and_it_is_told_once(
    opened: Open, path: Path, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened(max_size=20)
    write(file, "a" * 15)

    def refuse(*names: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    write(file, "b" * 15)
    write(file, "c" * 15)

    assert path.read_text() == f"{'a' * 15}\n{'b' * 15}\n{'c' * 15}\n"
    assert process_log.said("audit file could not be put aside: it grows beyond its size")["reason"] == (
        "read-only file system"
    )


@pytest.mark.parametrize("removes", [True, False], ids=["removed", "moved"])
def test_a_file_that_is_gone_is_made_again(
    opened: Open, path: Path, process_log: LogLines, monkeypatch: pytest.MonkeyPatch, removes: bool
) -> None:
    monkeypatch.setattr(rotating_file, "_LOOK_SECONDS", 0.0)
    file = opened()
    write(file, "one")
    if removes:
        path.unlink()
    else:
        path.rename(path.with_suffix(".old"))

    write(file, "two")

    assert path.read_text() == "two\n"
    assert process_log.said("audit file was moved or removed: made again")["file"] == str(path)


def test_what_a_killed_process_left_of_a_line_is_taken_off(opened: Open, path: Path) -> None:
    path.write_text('{"a":1}\n{"b":')

    file = opened()

    assert (file.torn_bytes, file.last_line, file.size) == (5, b'{"a":1}', 8)
    write(file, "next")
    assert path.read_text() == '{"a":1}\nnext\n'


def test_the_last_line_is_looked_for_in_the_file_before_where_the_newest_is_empty(opened: Open, path: Path) -> None:
    path.with_name("audit.jsonl.1").write_text("first\nlast\n")

    assert opened().last_line == b"last"


def test_a_second_process_cannot_have_the_same_file(opened: Open) -> None:
    opened()

    with pytest.raises(BlockingIOError):
        opened()


def test_the_lock_goes_with_the_file_that_has_the_name(opened: Open) -> None:
    opened().rotate()

    with pytest.raises(BlockingIOError):
        opened()


def test_a_link_is_not_followed_and_a_pipe_is_no_file(opened: Open, path: Path) -> None:
    path.symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        opened()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"not a regular file|No such device"):
        opened()


def test_what_makes_it_last_works_after_the_file_was_put_aside(opened: Open) -> None:
    file = opened(syncs=True)
    write(file, "one")
    sync = file.begin_sync()
    file.rotate()

    assert sync is not None
    sync()


def test_without_sync_there_is_nothing_to_do(opened: Open) -> None:
    assert opened().begin_sync() is None


def test_waiting_is_a_moment(opened: Open) -> None:
    assert opened().wait(0)
