"""The statistic that decides whether something grows."""

import pytest
from tests.soak.slope import Growth, growth


def line(start: float, per_second: float, count: int = 40) -> list[float]:
    return [start + per_second * at for at in range(count)]


def times(count: int = 40) -> list[float]:
    return [float(at) for at in range(count)]


def test_a_flat_series_does_not_grow() -> None:
    assert growth(times(), line(70.0, 0.0)) == Growth(70.0, 0.0)


def test_a_slow_leak_is_seen() -> None:
    found = growth(times(), line(70.0, 0.1))

    assert found.expected == pytest.approx(0.1 * 27)
    assert not found.is_within(allowed=2.0, share=0.0)


def test_what_happens_in_the_warm_up_does_not_count() -> None:
    assert growth(times(), [float(min(at, 12)) for at in range(40)]).expected == 0.0


def test_a_few_wild_points_move_it_little() -> None:
    values = line(70.0, 0.0)
    values[20], values[30], values[39] = 500.0, 0.0, 900.0

    assert growth(times(), values).expected == 0.0


def test_a_leak_shows_through_the_noise() -> None:
    values = [value + (5.0 if at % 2 else -5.0) for at, value in enumerate(line(70.0, 0.5))]

    assert growth(times(), values).expected == pytest.approx(0.5 * 27, rel=0.1)


def test_more_is_allowed_of_a_high_level() -> None:
    assert Growth(level=200.0, expected=5.0).is_within(allowed=2.0, share=0.03)
    assert not Growth(level=100.0, expected=5.0).is_within(allowed=2.0, share=0.03)


def test_to_fall_is_no_leak() -> None:
    assert Growth(level=100.0, expected=-50.0).is_within(allowed=0.0, share=0.0)


def test_too_few_points_are_no_series() -> None:
    with pytest.raises(ValueError, match="2 points"):
        growth([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])


def test_a_long_series_is_thinned() -> None:
    assert growth(times(20_000), line(1.0, 0.001, 20_000)).expected == pytest.approx(14.0, rel=0.01)
