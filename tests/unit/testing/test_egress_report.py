from iron_proxy.testing.egress_report import report_lines
from iron_proxy.testing.egress_seen import Seen


def seen(host: str, port: int, *, is_allowed: bool) -> Seen:
    return Seen(host, port, "http", "GET", "/", is_allowed)


def test_a_line_for_each_place_the_most_used_first() -> None:
    lines = report_lines([
        ("one", seen("a.test", 0, is_allowed=True)),
        ("one", seen("b.test", 80, is_allowed=True)), ("two", seen("b.test", 80, is_allowed=False)),
    ])  # fmt: skip

    assert list(lines) == ["b.test:80  1 allowed, 1 refused, in 2 tests", "a.test  1 allowed, 0 refused, in 1 test"]


def test_nothing_is_told_as_such() -> None:
    assert list(report_lines([])) == ["guarded tests reached for nothing"]
