import pytest

from iron_proxy.go_compat.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("30s", 30.0),
        ("1h30m", 5400.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("5.s", 5.0),
        ("500ms", 0.5),
        ("-1s", -1.0),
        ("+1m", 60.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("250μs", 0.00025),
        ("1ns", 1e-9),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_go_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".", 'time: invalid duration "."'),
        ("x", 'time: invalid duration "x"'),
        ("not-a-duration", 'time: invalid duration "not-a-duration"'),
        (" 1s", 'time: invalid duration " 1s"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1s10", 'time: missing unit in duration "1s10"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1s ", 'time: unknown unit "s " in duration "1s "'),
        ("1S", 'time: unknown unit "S" in duration "1S"'),
        ("1s-2s", 'time: unknown unit "s-" in duration "1s-2s"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
        ("١s", 'time: invalid duration "١s"'),
    ],
)
def test_anything_else_is_refused_in_go_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        parse_duration(text)

    assert str(caught.value) == message


def test_a_huge_number_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration("9" * 5000 + "s")
