import pytest
from bench.figures import difference, interleaved, median, over_rounds, ratio, spread
from tests.unit.bench.a_run import a_run, rounds

RUN = a_run(
    *rounds("small", "nginx", {"cpu": 20.0}, {"cpu": 90.0}, {"cpu": 22.0}),
    *rounds("small", "iron-proxy", {"cpu": 44.0}, {"cpu": 40.0}, {"cpu": 48.0}),
    *rounds("large", "iron-proxy", {"rate": 7.0}),
)


def test_the_median_is_not_moved_by_one_disturbed_round() -> None:
    assert median(RUN, "small", "nginx", "cpu") == 22.0


def test_figures_of_other_workloads_and_arms_stay_out() -> None:
    assert over_rounds(RUN, "small", "iron-proxy", "cpu") == [44.0, 40.0, 48.0]


def test_a_ratio_is_taken_between_the_medians_of_the_same_run() -> None:
    assert ratio(RUN, "small", "iron-proxy", "cpu", "nginx") == 2.0


def test_a_difference_keeps_the_unit() -> None:
    assert difference(RUN, "small", "iron-proxy", "cpu", "nginx") == 22.0


def test_the_spread_is_the_distance_of_best_and_worst_as_a_share() -> None:
    assert spread(RUN, "small", "iron-proxy", "cpu") == pytest.approx(8 / 44)


def test_one_round_has_no_spread() -> None:
    assert spread(RUN, "large", "iron-proxy", "rate") is None


def test_what_was_not_measured_is_none_and_never_zero() -> None:
    assert median(RUN, "small", "direct", "cpu") is None
    assert ratio(RUN, "small", "direct", "cpu", "nginx") is None
    assert ratio(RUN, "large", "iron-proxy", "rate", "nginx") is None
    assert difference(RUN, "large", "iron-proxy", "rate", "nginx") is None


def test_a_ratio_to_zero_is_none() -> None:
    run = a_run(*rounds("small", "nginx", {"cpu": 0.0}), *rounds("small", "iron-proxy", {"cpu": 1.0}))

    assert ratio(run, "small", "iron-proxy", "cpu", "nginx") is None


def test_every_round_has_every_arm_and_begins_one_later() -> None:
    order = interleaved(["a", "b", "c"], 4)

    assert [arm for _, arm in order] == list("abcbcacababc")
    assert [number for number, _ in order] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_without_arms_there_is_nothing_to_do() -> None:
    assert interleaved([], 3) == []
