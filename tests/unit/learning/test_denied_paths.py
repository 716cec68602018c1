import pytest

from iron_proxy.learning.denied_paths import Budget, DeniedPaths
from iron_proxy.learning.path_shapes import ANYTHING, Path

DENIED = DeniedPaths(["/users/3", "/a/b/c", "/slash/"])


@pytest.mark.parametrize(
    ("path", "is_covered"),
    [
        ((("users",), ("3",)), True),
        ((("users",), ANYTHING), True),
        ((("users",), ("4",)), False),
        ((("users",),), False),
        ((ANYTHING, ANYTHING), True),
        ((ANYTHING, ("b",), ANYTHING), True),
        ((("a",), ANYTHING), False),
        ((("slash",), ANYTHING), False),       # `?*` is not the empty segment
        ((("slash",), ("",)), True),
        ((("us", "s"), ("3",)), True),
    ],
)
def test_a_pattern_that_covers_a_denied_path_is_told(path: Path, is_covered: bool) -> None:
    assert DENIED.is_covered_by(path) is is_covered


def test_below_a_place_are_those_that_go_on_there() -> None:
    below = DENIED.below(ANYTHING)

    assert below.is_covered_by((("3",),))
    assert below.is_covered_by((("b",), ("c",)))
    assert not below.is_covered_by((("users",), ("3",)))
    assert DENIED.is_covered_by((("users",), ("3",)))          # unchanged
    assert not DENIED.below(("elsewhere",))


def test_a_path_that_ends_at_a_place_is_not_below_it() -> None:
    assert not DeniedPaths(["/a"]).below(("a",))


def test_none_is_none() -> None:
    assert not DeniedPaths()
    assert DENIED


def test_when_the_budget_is_spent_every_pattern_counts_as_covering() -> None:
    denied = DeniedPaths([f"/x{number}" for number in range(100)], Budget(150))

    assert not denied.is_covered_by((("y", ""),))
    assert denied.is_covered_by((("y", ""),))
