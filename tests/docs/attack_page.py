"""
docs/reference/attack-suite.md: which attack cases there are tests for, and how these run; from what pytest collects.

The prose is that of attack-suite.md beside this file. `WRITE_ATTACK_PAGE=1 pytest tests/docs/test_attack_suite.py`
writes the page.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from tests.docs.attack_cases import ALL_CASES, CLASSES, ELSEWHERE, FEWER, NOT_COVERED, CaseClass
from tests.docs.attack_collection import Run
from tests.docs.attack_reading import TUNNEL
from tests.docs.pages import ROOT
from tests.fakes.wire_client import ALL_WAYS, SPLITS, TLS_WAYS

PAGE = ROOT / "docs" / "reference" / "attack-suite.md"
TEMPLATE = Path(__file__).with_name("attack-suite.md")

_ALL = frozenset(way.name for way in ALL_WAYS)
_TLS = frozenset(way.name for way in TLS_WAYS)
_TUNNELS = frozenset(way.name for way in ALL_WAYS if way.is_tunnel)
# The ways in that requests of a class can take; classes that are not here are about something else than requests.
WAYS_OF = {"POL": _ALL, "H1": _ALL, "HDR": _ALL, "WS": _ALL, "TUN": _TUNNELS, "TLS": _TLS, "SEC": _TLS}
_EVERY_SPLIT = frozenset(split.name for split in SPLITS)
_NAMES = {way.name: f"`{way.value}`" for way in ALL_WAYS}
_YES, _NONE = "yes", "–"


class Coverage(NamedTuple):
    """How one case is run, by all its tests together."""

    case: str
    runs: int
    ways: frozenset[str]
    splits: frozenset[str]
    is_http2: bool

    @property
    def is_everywhere(self) -> bool:
        """Whether it runs over every way in of its class. A tunnel's opening that is written out is both kinds."""
        needed = WAYS_OF.get(self.case.partition("-")[0], frozenset())
        return needed <= self.ways or (needed == _TUNNELS and TUNNEL in self.ways)

    @property
    def is_fewer(self) -> bool:
        """Whether there are ways or splits that it could have and has not."""
        is_of_requests = self.case.partition("-")[0] in WAYS_OF
        return is_of_requests and not (self.is_everywhere and self.splits >= _EVERY_SPLIT)


def coverages(runs: Sequence[Run]) -> dict[str, Coverage]:
    """Of each case that has a test, in order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        for case in run.cases:
            found.setdefault(case, []).append(run)
    return {case: _coverage(case, found[case]) for case in sorted(found, key=_place)}


def _place(case: str) -> tuple[int, str]:
    return [each.name for each in CLASSES].index(case.partition("-")[0]), case


def _coverage(case: str, runs: Sequence[Run]) -> Coverage:
    ways = frozenset(way for run in runs for way in run.ways)
    splits = frozenset(split for run in runs for split in run.splits)
    return Coverage(case, len(runs), ways, splits, any(run.is_http2 for run in runs))


def page_text(runs: Sequence[Run]) -> str:
    """The whole page."""
    covered = coverages(runs)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        runs=f"{len(runs):,}", cases=len(ALL_CASES), tested=sum(case in covered for case in ALL_CASES),
        elsewhere=len(ELSEWHERE), open=len(NOT_COVERED), classes=_table(_class_row(each, runs) for each in CLASSES),
        each="\n\n".join(_section(each, covered) for each in CLASSES if any(map(covered.get, each.cases))),
        fewer=_table((case, reason) for case, reason in FEWER.items()),
        others=_table((case, ", ".join(f"`{test}`" for test in tests)) for case, tests in ELSEWHERE.items()),
        not_covered=_table((", ".join(cases), reason) for reason, cases in _by_reason().items()),
        beyond=_table(_beyond(runs)),
    )  # fmt: skip


def _class_row(kind: CaseClass, runs: Sequence[Run]) -> tuple[str, ...]:
    covered = coverages(runs)
    tested = [covered[case] for case in kind.cases if case in covered]
    count = len([run for run in runs if set(run.cases) & set(kind.cases)])
    if kind.name not in WAYS_OF:
        how = (_NONE, _NONE, _NONE)
    else:
        how = (
            str(sum(each.is_everywhere for each in tested)),
            str(sum(each.splits >= _EVERY_SPLIT for each in tested)),
            str(sum(each.is_http2 for each in tested)),
        )
    return f"{kind.name}: {kind.about}", str(len(kind.cases)), str(len(tested)), str(count), *how


def _section(kind: CaseClass, covered: dict[str, Coverage]) -> str:
    head = f"### {kind.name}\n\n| case | test runs | ways in | splits | HTTP/2 |\n|---|---|---|---|---|\n"
    return head + _table(_case_row(covered[case]) for case in kind.cases if case in covered)


def _case_row(each: Coverage) -> tuple[str, ...]:
    http2 = _YES if each.is_http2 else _NONE
    return each.case, str(each.runs), _ways(each.ways), str(len(each.splits)) if each.ways else _NONE, http2


def _ways(ways: frozenset[str]) -> str:
    named = [_NAMES[way.name] for way in ALL_WAYS if way.name in ways]
    if len(named) == len(ALL_WAYS):
        return "all six"
    if frozenset(ways) == _TLS:
        return "all with TLS"
    return ", ".join([*named, *(["tunnels, byte by byte"] if TUNNEL in ways else [])]) or _NONE


def _by_reason() -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for case, reason in NOT_COVERED.items():
        reasons.setdefault(reason, []).append(case)
    return reasons


def _beyond(runs: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    """Files with tests whose cases, if they name any, are not of the list."""
    counts = Counter(run.file for run in runs if not set(run.cases) & set(ALL_CASES))
    for file, count in sorted(counts.items()):
        yield f"`{file.removeprefix('tests/attack/')}`", _title(file), str(count)


def _title(file: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _table(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
