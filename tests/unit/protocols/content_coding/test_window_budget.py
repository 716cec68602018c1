"""The windows of all bodies that are being decoded: counted together, but for a small share of each."""

from collections.abc import Iterator

import pytest

from iron_proxy.protocols.content_coding import window_budget
from iron_proxy.protocols.content_coding.codings import CodingBomb
from iron_proxy.protocols.content_coding.window_budget import FREE_BYTES, WindowShare

WINDOW = 8 * FREE_BYTES


@pytest.fixture(autouse=True)
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert WindowShare.in_use == 0
    monkeypatch.setattr(window_budget, "MAX_BYTES", WINDOW)
    yield
    assert WindowShare.in_use == 0


def test_a_small_body_is_not_counted() -> None:
    share = WindowShare(WINDOW)

    share.grow(FREE_BYTES)

    assert share.in_use == 0


def test_no_body_holds_more_than_its_window() -> None:
    share = WindowShare(WINDOW)

    for _ in range(100):
        share.grow(FREE_BYTES)

    assert share.in_use == WINDOW - FREE_BYTES


def test_what_is_too_much_for_all_together_is_refused_and_small_bodies_are_not() -> None:
    full, late, small = WindowShare(WINDOW), WindowShare(WINDOW), WindowShare(WINDOW)
    full.grow(WINDOW)

    small.grow(FREE_BYTES)
    with pytest.raises(CodingBomb, match="no room"):
        late.grow(3 * FREE_BYTES)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_body_that_ends_makes_room(is_deleted: bool) -> None:
    share = WindowShare(WINDOW)
    share.grow(WINDOW)
    if is_deleted:
        del share
    else:
        share.release()

    WindowShare(WINDOW).grow(WINDOW)


def test_a_coding_with_a_window_of_nothing_to_speak_of_is_not_counted() -> None:
    share = WindowShare(0)

    share.grow(WINDOW * 3)

    assert share.in_use == 0
