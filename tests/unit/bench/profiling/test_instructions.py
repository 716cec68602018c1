"""Totals that callgrind writes become instructions of one repetition, and what it does not write is told."""

import shutil
import stat
from pathlib import Path

import pytest
from bench.errors import MeasurementFailed
from bench.profiling import instructions
from bench.profiling.instructions import count_instructions, figures, read_total
from bench.profiling.pure_parts import PARTS, REPETITIONS


def test_the_loop_is_taken_off() -> None:
    loop, part = 100 * REPETITIONS, 7100 * REPETITIONS

    assert figures(["nothing", "a part"], [loop, part]) == [("a part", 7000.0)]


def test_a_total_is_read_where_callgrind_puts_it(tmp_path: Path) -> None:
    (tmp_path / "counts.2").write_text("# callgrind format\nevents: Ir\nfn=(1) f\n0 400\n\ntotals: 723255\n")

    assert read_total(tmp_path / "counts.2") == 723255


@pytest.mark.parametrize("text", [None, "", "events: Ir\n"])
def test_a_file_without_a_total_is_no_figure(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "counts.2").write_text(text)

    with pytest.raises(MeasurementFailed, match=r"no total into counts\.2"):
        read_total(tmp_path / "counts.2")


def fake_valgrind(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "valgrind"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_valgrind_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert count_instructions() == []


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_valgrind(tmp_path, monkeypatch, "echo 'unhandled instruction' >&2; exit 4")

    with pytest.raises(MeasurementFailed, match=r"status 4: unhandled instruction"):
        count_instructions()


def test_one_that_does_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_valgrind(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(instructions, "_TIMEOUT", 0.1)

    with pytest.raises(MeasurementFailed, match="not at its end after"):
        count_instructions()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_parts_are_counted_the_same_twice() -> None:
    first, second = dict(count_instructions()), dict(count_instructions())

    assert list(first) == [name for name, _ in PARTS[1:]]
    assert min(first.values()) > 500
    assert second == pytest.approx(first, rel=0.01)
