"""Counted calls to figures per request. Pure but for the reading of the file."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.profiling.counting import Call

# What is called once a request, by kind of workload: of HTTP, and of DNS.
REQUEST = "RequestLife.__init__"
QUESTION = "DatagramEndpoint._answer"

_OURS = str(machine.ROOT / "src" / "iron_proxy")
_LIBRARIES = "libraries"


@dataclass(frozen=True, slots=True)
class Calls:
    """How often what was called, and for how many requests."""

    counts: dict[Call, int]
    requests: int

    @property
    def of_python(self) -> float:
        """Calls of Python functions in a request, and coroutines that went on."""
        return sum(number for (_, _, called), number in self.counts.items() if not called) / self.requests

    @property
    def of_c(self) -> float:
        """Calls of what is compiled, from Python, in a request."""
        return sum(number for (_, _, called), number in self.counts.items() if called) / self.requests

    def by_package(self) -> list[tuple[str, float, float]]:
        """(package of ours, calls of its functions, calls of compiled functions from these), most calls first."""
        python, compiled = Counter[str](), Counter[str]()
        for (file, _, called), number in self.counts.items():
            (compiled if called else python)[_package_of(file)] += number
        rows = [(name, python[name] / self.requests, compiled[name] / self.requests) for name in python | compiled]
        return sorted(rows, key=lambda row: -row[1] - row[2])

    def most_called(self, limit: int) -> list[tuple[str, str, float]]:
        """(file, function, calls in a request) of Python functions, those of every other request at least."""
        rows = [
            (_place_of(file), function, number / self.requests)
            for (file, function, called), number in self.counts.items()
            if not called and number * 2 > self.requests
        ]
        return sorted(rows, key=lambda row: -row[2])[:limit]


def read_calls(path: Path) -> Calls | None:
    """What was counted; None where there is nothing, or no request in it."""
    if not path.exists():
        return None
    counts = {(file, function, called): number for file, function, called, number in json.loads(path.read_text())}
    for once in (REQUEST, QUESTION):
        requests = sum(number for (_, function, called), number in counts.items() if function == once and not called)
        if requests:
            return Calls(counts, requests)
    return None


def _package_of(file: str) -> str:
    if not file.startswith(_OURS):
        return _LIBRARIES
    return "/".join(Path(file).relative_to(_OURS).parts[:-1]) or "iron_proxy"


def _place_of(file: str) -> str:
    return file[len(_OURS) + 1 :] if file.startswith(_OURS) else Path(file).name
