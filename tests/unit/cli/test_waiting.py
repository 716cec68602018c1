"""Who waits at a terminal is told for what; a program is not."""

import io
import sys

import pytest

from iron_proxy.cli.waiting import tell_who_waits


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "told"), [(Terminal(), "a moment\n"), (io.StringIO(), "")], ids=["a terminal", "a file"]
)
def test_only_a_terminal_is_told(stream: io.StringIO, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)

    tell_who_waits("a moment")

    assert stream.getvalue() == told
