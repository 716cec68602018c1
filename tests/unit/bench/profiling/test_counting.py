"""Calls are counted, Python's and compiled ones, and come out as figures per request."""

import json
import sys
from pathlib import Path

import pytest
from bench import machine
from bench.profiling.calls import Calls, read_calls
from bench.profiling.counting import Call, counter


def handle() -> int:
    return len("abc")


def test_calls_are_counted_by_who_makes_them() -> None:
    calls: dict[Call, int] = {}

    before = sys.getprofile()
    sys.setprofile(counter(calls))
    handle()
    handle()
    sys.setprofile(before)

    assert calls[__file__, "handle", ""] == 2
    assert calls[__file__, "handle", "len"] == 2


def place(file: str) -> str:
    return str(machine.ROOT / "src" / "iron_proxy" / file)


def write(path: Path, rows: list[tuple[str, str, str, int]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


ROWS = [
    (place("proxy/request_life.py"), "RequestLife.__init__", "", 10),
    (place("proxy/request_life.py"), "RequestLife.__init__", "perf_counter", 10),
    (place("proxy/handler.py"), "handle", "", 20),
    (place("errors.py"), "rare", "", 1),
    ("/usr/lib/python3/ssl.py", "SSLObject.read", "", 20),
]


def test_figures_are_per_request(tmp_path: Path) -> None:
    calls = read_calls(write(tmp_path / "calls.json", ROWS))

    assert calls is not None
    assert (calls.requests, calls.of_python, calls.of_c) == (10, 5.1, 1.0)
    assert calls.by_package() == [("proxy", 3.0, 1.0), ("libraries", 2.0, 0.0), ("iron_proxy", 0.1, 0.0)]
    assert calls.most_called(2) == [("proxy/handler.py", "handle", 2.0), ("ssl.py", "SSLObject.read", 2.0)]


def test_questions_count_where_there_are_no_requests(tmp_path: Path) -> None:
    rows = [(place("dns/datagrams.py"), "DatagramEndpoint._answer", "", 4)]

    calls = read_calls(write(tmp_path / "calls.json", rows))

    assert calls == Calls({(place("dns/datagrams.py"), "DatagramEndpoint._answer", ""): 4}, 4)


@pytest.mark.parametrize("rows", [None, [], [(place("errors.py"), "rare", "", 1)]])
def test_nothing_is_made_of_nothing(tmp_path: Path, rows: list[tuple[str, str, str, int]] | None) -> None:
    path = tmp_path / "calls.json"
    if rows is not None:
        write(path, rows)

    assert read_calls(path) is None
