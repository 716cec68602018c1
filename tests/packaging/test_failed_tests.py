"""scripts/failed-tests: what .ci/run runs once more, and when it must not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "failed-tests"


def failed_tests(cache: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, SCRIPT, cache, "2"], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout.splitlines()


def leave(cache: Path, ended: int, *failed: str) -> None:
    for name, value in (("iron-proxy/ended", ended), ("cache/lastfailed", dict.fromkeys(failed, True))):
        file = cache / "v" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))


def test_what_failed_in_a_complete_run_is_printed_a_line_each(tmp_path: Path) -> None:
    leave(tmp_path, 1, "tests/a.py::test_one[a b]", "tests/a.py::test_two")

    assert failed_tests(tmp_path) == (0, ["tests/a.py::test_one[a b]", "tests/a.py::test_two"])


@pytest.mark.parametrize(
    ("ended", "failed"),
    [
        pytest.param(2, ["tests/a.py::test_one"], id="interrupted"),
        pytest.param(3, ["tests/a.py::test_one"], id="broken-off-by-an-internal-error"),
        pytest.param(1, [], id="none-named"),
        pytest.param(1, ["one", "two", "three"], id="more-than-an-accident"),
    ],
)
def test_anything_else_is_not_for_a_second_look(tmp_path: Path, ended: int, failed: list[str]) -> None:
    leave(tmp_path, ended, *failed)

    assert failed_tests(tmp_path) == (1, [])


def test_nor_is_a_run_that_left_nothing(tmp_path: Path) -> None:
    assert failed_tests(tmp_path) == (1, [])


@pytest.mark.parametrize(("body", "known"), [("assert False", (0, ["test_it.py::test_it"])), ("pass", (1, []))])
def test_a_run_leaves_what_this_reads(tmp_path: Path, body: str, known: tuple[int, list[str]]) -> None:
    hooks = "from tests.conftest import pytest_sessionfinish as pytest_sessionfinish\n"
    (tmp_path / "conftest.py").write_text(hooks)
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    options = ("--rootdir", str(tmp_path), "-o", f"cache_dir={tmp_path / 'cache'}")
    command = [sys.executable, "-m", "pytest", "-q", *options]
    environment = {"PYTHONPATH": str(SCRIPT.parents[1])}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60)

    assert failed_tests(tmp_path / "cache") == known
