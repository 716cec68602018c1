"""
What pytest collects of the attack cases: of each test run its cases, its ways in, its splits, and whether it is HTTP/2.

`collected` asks a pytest in a process of its own, which runs this file and collects only.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import pytest
from tests.attack.rounds import is_asked_in_http2
from tests.docs.attack_cases import FOLDERS, cases_of, names_a_case
from tests.docs.attack_reading import is_in_http2, splits_in, ways_in
from tests.docs.pages import ROOT
from tests.fakes.wire_client import SPLITS, Split, Way


class Run(NamedTuple):
    """One test run. `ways` are names of `Way`, and `TUNNEL` where the test writes the opening itself."""

    file: str
    test: str
    cases: list[str]
    ways: list[str]
    splits: list[str]
    is_http2: bool


def collected() -> list[Run]:
    """All runs of tests/attack, and those elsewhere that name a case."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.attack_collection", *_files()], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [Run(*each) for each in json.loads(done.stdout.splitlines()[-1])]


def _files() -> Iterator[str]:
    for folder in ("attack", *FOLDERS):
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            if folder == "attack" or names_a_case(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(ROOT))


# --- in the other process -------------------------------------------------------------------------------------------


class Collector:
    """A plugin of pytest that keeps what was collected."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Function]) -> None:
        for item in items:
            run = _run_of(item)
            if run.cases or run.file.startswith("tests/attack/"):
                self.runs.append(run)


def _run_of(item: pytest.Function) -> Run:
    function = item.function
    assert isinstance(function, FunctionType)
    test = function.__name__
    parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    ways = {value.name for value in parameters.values() if isinstance(value, Way)} or ways_in(function)
    cases = cases_of(test, item.name.removeprefix(test))
    file = str(Path(item.path).relative_to(ROOT))
    return Run(file, test, cases, sorted(ways), _splits_of(item, function, parameters), _is_http2(item, function))


def _splits_of(item: pytest.Function, function: FunctionType, parameters: dict[str, Any]) -> list[str]:
    given = [value.name for value in parameters.values() if isinstance(value, Split)]
    is_every = item.get_closest_marker("every_split") is not None or splits_in(function) == len(SPLITS)
    return [each.name for each in SPLITS] if is_every else given or [Split.WHOLE.name]


def _is_http2(item: pytest.Function, function: FunctionType) -> bool:
    return is_asked_in_http2(item) or is_in_http2(function)


def main(files: Sequence[str]) -> int:
    """Collect, and write what was found as the last line."""
    collector = Collector()
    status = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *files], [collector])
    sys.stdout.write("\n" + json.dumps(collector.runs) + "\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
