"""Each part does what its name says, as often as one likes, and whoever counts can tell where each begins and ends."""

import os
from typing import Any

import pytest
from bench.profiling import pure_parts
from bench.profiling.pure_parts import PARTS, REPETITIONS
from bench.setting import PROXY_TOKEN, REAL_SECRET

from iron_proxy.pipeline.exchange import Exchange


@pytest.mark.parametrize(("name", "make"), PARTS, ids=[name for name, _ in PARTS])
def test_a_part_can_be_repeated(name: str, make: Any) -> None:
    unit = make()

    outcomes = [unit() for _ in range(3)]

    assert len({type(outcome) for outcome in outcomes}) == 1


def test_the_decision_swaps_the_token() -> None:
    exchange = pure_parts.decision()()

    assert isinstance(exchange, Exchange)
    assert exchange.request.headers.get(b"authorization") == f"Bearer {REAL_SECRET}".encode()
    assert exchange.admission is not None


def test_the_request_goes_upstream_with_the_secret() -> None:
    written = pure_parts.request_written()()

    assert isinstance(written, bytes)
    assert REAL_SECRET.encode() in written
    assert PROXY_TOKEN.encode() not in written


def test_a_known_block_is_not_decoded_again() -> None:
    unit = pure_parts.known_block()

    assert unit() is unit()


def test_blocks_of_other_paths_are_decoded_in_order() -> None:
    unit = pure_parts.new_blocks()

    paths = [{name: value for name, value, _ in unit()}[b":path"] for _ in range(3)]  # type: ignore[attr-defined]

    assert paths == [b"/bench.Answers/Get%d" % number for number in range(3)]


def test_the_question_is_answered() -> None:
    assert isinstance(pure_parts.dns_answer()(), bytes)


def test_each_part_stands_between_two_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(os, "getppid", lambda: told.append("mark"))
    monkeypatch.setattr(pure_parts, "PARTS", (("a", lambda: lambda: told.append("a")), ("b", lambda: lambda: None)))

    pure_parts.main()

    warm_up = told.index("mark")
    assert told[:warm_up] == ["a"] * warm_up
    assert told[warm_up:] == ["mark", *["a"] * REPETITIONS, "mark", "mark", "mark"]
