import asyncio
import os
import signal
from typing import cast

import pytest

from iron_proxy.jail import terminal
from iron_proxy.jail.launch import Jail
from iron_proxy.jail.terminal import Foreground, TerminalLink


class RecordingJail:
    """What of a jail a terminal link sees."""

    def __init__(self) -> None:
        self.signals: asyncio.Queue[int] = asyncio.Queue()
        self.on_stopped = self.on_continued = None

    def signal(self, number: int) -> None:
        self.signals.put_nowait(number)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each time that this process would have been stopped."""
    stopped: list[bool] = []
    monkeypatch.setattr(TerminalLink, "_stop", lambda self: stopped.append(True))
    monkeypatch.setattr(terminal, "_OLD_NEWS_SECONDS", 0.001)
    return stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH])
async def test_what_is_sent_to_the_proxy_is_passed_on_and_ends_nothing(number: int) -> None:
    jail = RecordingJail()

    with TerminalLink(cast(Jail, jail)):
        os.kill(os.getpid(), number)
        passed_on = await asyncio.wait_for(jail.signals.get(), 5)

    assert passed_on == number
    assert jail.signals.empty()


async def test_a_signal_that_is_ignored_stays_ignored() -> None:
    jail = RecordingJail()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with TerminalLink(cast(Jail, jail)):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_the_handlers_are_given_back() -> None:
    with TerminalLink(cast(Jail, RecordingJail())):
        pass

    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


async def test_when_the_program_stops_so_do_we(stops: list[bool]) -> None:
    jail = RecordingJail()

    with TerminalLink(cast(Jail, jail)):
        assert jail.on_stopped is not None
        jail.on_stopped()
        await asyncio.sleep(0.05)

    assert stops == [True]


async def test_when_it_has_been_continued_meanwhile_we_do_not(stops: list[bool]) -> None:
    jail = RecordingJail()

    with TerminalLink(cast(Jail, jail)):
        assert jail.on_stopped is not None
        assert jail.on_continued is not None
        jail.on_stopped()
        jail.on_continued()
        await asyncio.sleep(0.05)

    assert stops == []


def test_without_a_terminal_there_is_no_foreground_to_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(os, "open", no_terminal)

    Foreground().restore()
