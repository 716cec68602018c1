import resource

import pytest

from iron_proxy.runtime.open_files import ENOUGH, open_files, raise_open_files, reachable_open_files

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("former", "raised"),
    [
        ((1024, 4096), (4096, 4096)),
        ((1024, 1_048_576), (ENOUGH, 1_048_576)),
        ((1024, INFINITE), (ENOUGH, INFINITE)),
        ((ENOUGH * 2, ENOUGH * 4), None),
        ((INFINITE, INFINITE), None),
        ((4096, 4096), None),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_is_useful_and_never_lowered(
    former: tuple[int, int], raised: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr("resource.getrlimit", lambda number: former)
    monkeypatch.setattr("resource.setrlimit", lambda number, limit: set_to.append((number, limit)))

    assert raise_open_files() == former
    assert set_to == ([] if raised is None else [(resource.RLIMIT_NOFILE, raised)])


@pytest.mark.parametrize(
    ("limit", "now", "later"),
    [
        ((1024, 4096), 1024, 4096),
        ((1024, INFINITE), 1024, ENOUGH),
        ((INFINITE, INFINITE), ENOUGH, ENOUGH),
        ((ENOUGH * 2, ENOUGH * 4), ENOUGH, ENOUGH),
        ((256, 256), 256, 256),
    ],
)
def test_what_may_be_open_now_and_after_raising_it(
    limit: tuple[int, int], now: int, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda number: limit)

    assert (open_files(), reachable_open_files()) == (now, later)
