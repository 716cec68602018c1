"""
Being in the way of a terminal without being noticed: signals, stops and the foreground, as if the program ran directly.

The proxy, the jail's own processes and the program are one process group, so that Ctrl-C, Ctrl-Z and pipelines work as
the shell arranged them. What a terminal sends reaches all of it. What is sent to the proxy alone is passed on. For
`cli/run.py`, around `Jail.start` and `Jail.wait`, in the main thread.
"""

import asyncio
import contextlib
import os
import signal
from types import TracebackType
from typing import Final, Self

from iron_proxy.jail.launch import Jail

# Passed on, and otherwise without an effect on the proxy: it lives until the program has ended. SIGTSTP, SIGTTIN and
# SIGTTOU stop the proxy as they stop the program.
PASSED_ON: Final = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
    signal.SIGCONT,
)  # fmt: skip

# The news that the program has stopped may be old when it is read: Ctrl-Z stopped the proxy too, and it reads this
# when both have been continued. The news of that follows within a millisecond or so.
_OLD_NEWS_SECONDS = 0.05


class TerminalLink:
    """A context manager; entering takes the signals over, leaving gives them and the terminal back."""

    def __init__(self, jail: Jail) -> None:
        self._jail = jail
        self._foreground = Foreground()
        self._stopping: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in PASSED_ON:
            # What is ignored (nohup) stays so, for the program too.
            if signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._pass_on, number)
        self._jail.on_stopped, self._jail.on_continued = self._stop_soon, self._stay
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        loop = asyncio.get_running_loop()
        for number in PASSED_ON:
            loop.remove_signal_handler(number)
        self._jail.on_stopped = self._jail.on_continued = None
        self._stay()
        self._foreground.restore()
        self._foreground.close()

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGCONT:
            self._stay()
        self._jail.signal(number)

    def _stop_soon(self) -> None:
        self._stay()
        self._stopping = asyncio.get_running_loop().call_later(_OLD_NEWS_SECONDS, self._stop)

    def _stay(self) -> None:
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None

    def _stop(self) -> None:
        """The program stopped and we did not: the shell that waits for us is to see it."""
        group = self._foreground.restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        # Here we have been continued. A shell inside expects to have the terminal when it is.
        self._foreground.pass_to(group)
        self._jail.signal(signal.SIGCONT)


class Foreground:
    """The terminal's foreground process group, if it was ours: an interactive shell inside makes it its own."""

    def __init__(self) -> None:
        self._terminal: int | None = None
        with contextlib.suppress(OSError):
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
            if os.tcgetpgrp(terminal) == os.getpgrp():
                self._terminal = terminal
            else:
                os.close(terminal)

    def restore(self) -> int:
        """Make it ours again; the group that had it, 0 for none."""
        if self._terminal is None:
            return 0
        with contextlib.suppress(OSError):  # the terminal is gone
            group = os.tcgetpgrp(self._terminal)
            self._set(group=os.getpgrp())
            return group
        return 0

    def pass_to(self, group: int) -> None:
        """Give it away, if it is ours to give: in the background it is not."""
        with contextlib.suppress(OSError):  # the group is gone, or the terminal
            if self._terminal is not None and group and os.tcgetpgrp(self._terminal) == os.getpgrp():
                self._set(group=group)

    def close(self) -> None:
        """After this it is left as it is."""
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def _set(self, *, group: int) -> None:
        # Who is in the background may not do this and is stopped for trying, unless it does not listen.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(self._terminal or 0, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
