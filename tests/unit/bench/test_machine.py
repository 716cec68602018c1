import pytest
from bench.arms import OURS, TWO_WORKERS
from bench.machine import cores_for, parse_cpu_model, second_core_for
from bench.results import Settings
from bench.run import cores_of


@pytest.mark.parametrize(
    ("available", "cores"),
    [
        ([], (None, None, None)),
        ([3], (None, None, None)),
        ([0, 1], (0, 1, 1)),
        ([2, 4, 6], (2, 4, 6)),
        ([0, 1, 2, 3], (0, 2, 3)),
    ],
    ids=["unknown", "one core is not split", "two: the others share", "three: one each", "four"],
)
def test_the_proxy_has_a_core_to_itself_where_there_are_two(
    available: list[int], cores: tuple[int | None, int | None, int | None]
) -> None:
    assert cores_for(available) == cores


def test_the_processor_is_named_as_the_kernel_names_it() -> None:
    assert parse_cpu_model("processor\t: 0\nmodel name\t: A Fine CPU @ 2 GHz\nmodel name\t: other\n") == (
        "A Fine CPU @ 2 GHz"
    )


def test_a_kernel_that_names_none_gives_an_empty_name() -> None:
    assert parse_cpu_model("processor\t: 0\nBogoMIPS\t: 50\n") == ""


@pytest.mark.parametrize(
    ("available", "core"), [([0, 1], None), ([0, 1, 2], None), ([0, 1, 2, 3], 1), ([2, 4, 6, 8, 9], 4)]
)
def test_a_second_core_is_given_only_where_origin_and_load_keep_theirs(available: list[int], core: int | None) -> None:
    assert second_core_for(available) == core
    assert core is None or core not in cores_for(available)


def test_two_workers_have_two_cores_or_none_of_their_own() -> None:
    assert cores_of(OURS, Settings(3, 4.0, 0, 2, 3, 1)) == {0}
    assert cores_of(TWO_WORKERS, Settings(3, 4.0, 0, 2, 3, 1)) == {0, 1}
    assert cores_of(TWO_WORKERS, Settings(3, 4.0, 0, 1, 1)) is None
    assert cores_of(OURS, Settings(3, 4.0, None, None, None)) is None
