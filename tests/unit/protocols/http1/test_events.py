"""Heads as values that several requests may share."""

import pytest

from iron_proxy.protocols.http1.events import RequestHead


def test_of_a_new_head_nothing_has_been_found_yet() -> None:
    assert RequestHead().checked is None


def test_a_head_takes_no_notes_but_the_declared_ones() -> None:
    with pytest.raises(AttributeError):
        RequestHead().note = 1  # type: ignore[attr-defined]  # that it cannot be is what is tested
