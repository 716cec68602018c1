"""
Process 1 of the jail: makes its network and its files, starts the program, reaps what is left behind.

Everything inside dies with it: it ends when the program ends, and when the socket to the proxy does. It is in the
process group of the proxy and of the program, so that a terminal's signals reach all of them; those are not passed on
a second time.
"""

import contextlib
import os
import select
import signal
import socket
import time

from iron_proxy.jail.device_folder import cover_devices, open_devices
from iron_proxy.jail.door_sockets import open_door
from iron_proxy.jail.execute import execute
from iron_proxy.jail.loopback import open_loopback
from iron_proxy.jail.mounts import Covers, detach_from_machine, hide_and_show, hold, make_read_only
from iron_proxy.jail.orders import Message, Orders, receive, send
from iron_proxy.jail.privileges import drop_privileges
from iron_proxy.jail.process_folder import mount_processes, protect_settings
from iron_proxy.jail.refusal_filter import open_refusal_socket
from iron_proxy.jail.steps import FailedStep, step
from iron_proxy.linux.system_calls import PR_SET_PDEATHSIG, prctl

_STAGING = "/dev/.iron-proxy"
_ROOT = 0

# Two copies of one signal this close together are one: the proxy passes on what it was sent, and what was sent to the
# whole group has reached the program already. Passing on takes a fraction of a millisecond.
_SAME_SIGNAL_SECONDS = 0.5

# What a terminal or a supervisor sends to groups. Each is noted here; none does anything to this process.
_NOTED = (
    signal.SIGCHLD, signal.SIGCONT, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip


class InheritedSignals:
    """How signals were when this program was started: what the jailed program is given back."""

    def __init__(self) -> None:
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]

    def restore(self) -> None:
        """For the moment before exec, which resets every handler but not what is ignored."""
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            # SIGPIPE and SIGXFSZ are ignored by Python itself.
            keeps = number in self._ignored and number not in (signal.SIGPIPE, signal.SIGXFSZ)
            with contextlib.suppress(OSError):  # the numbers that the C library keeps for itself
                signal.signal(number, signal.SIG_IGN if keeps else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def run(control: socket.socket, orders: Orders, signals: InheritedSignals) -> None:
    """Never returns."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        made, not_shown = _make(orders)
        send(control, {"say": "ready", "not_shown": not_shown, "sees_refusals": len(made) > len(orders.doors)}, made)
        for sock in made:
            sock.close()
        _FirstProcess(control, orders, signals).serve()
    except FailedStep as failure:
        send(control, failure.message())
    except BrokenPipeError:  # the proxy is gone
        pass
    os._exit(0)


def _make(orders: Orders) -> tuple[list[socket.socket], list[str]]:
    """The door sockets, behind them the one that sees refusals if there can be one; the files that have no place."""
    with step("network"):
        open_loopback()
    with step("doors"):
        sockets = [open_door(port, is_udp=is_udp) for port, is_udp in orders.doors]
    with contextlib.suppress(OSError):  # a kernel without packet sockets: nothing is seen, nothing is less closed
        sockets.append(open_refusal_socket())
    not_shown = _make_files(orders)
    with step("privileges"):
        drop_privileges()
    return sockets, not_shown


def _make_files(orders: Orders) -> list[str]:
    with step("mounts"):
        detach_from_machine()
        devices = open_devices()
        held = hold([*orders.binds, *orders.kept])
        cover_devices(devices)
        covers = Covers(_STAGING, held)
        not_shown = hide_and_show(covers, orders)
    with step("processes"):
        mount_processes()
    with step("mounts"):
        if orders.uid == _ROOT:
            protect_settings(covers)
        covers.close()
        make_read_only("/dev")
    with step("working directory"):
        # By its name again: the folder that we stand in may lie below a cover, and lead from there to the rest.
        os.chdir(orders.working_directory)
    return not_shown


def let_go_of_terminal() -> None:
    """Whoever reads what the program writes sees the end when the program closes it, not when we do."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


class _FirstProcess:
    """Waits for three things: words from the proxy, signals, children that end."""

    def __init__(self, control: socket.socket, orders: Orders, signals: InheritedSignals) -> None:
        self._control, self._orders, self._signals = control, orders, signals
        self._program = 0  # its process id, once it has been started
        self._noted_at: dict[int, float] = {}
        self._wake, wake_write = socket.socketpair()
        self._wake.setblocking(False)
        wake_write.setblocking(False)
        self._wake_write = wake_write
        for number in _NOTED:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)

    def serve(self) -> None:
        """Until the program or the proxy has ended."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self._control.fileno() in ready and not self._obey():
                return
            # After the word, which may have taken note of signals too: a child's end is not to be missed.
            self._note_signals()
            if not self._reap():
                return

    def _obey(self) -> bool:
        """One word from the proxy; False for the end."""
        message, _ = receive(self._control)
        if message is None:
            return False
        if message["say"] == "start" and not self._program:
            self._start()
        elif message["say"] == "signal" and self._program:
            self._pass_on(int(str(message["number"])))
        return True

    def _start(self) -> None:
        # A signal that comes in between waits in the new process until that is ready for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._program = os.fork()
        if self._program == 0:
            signal.set_wakeup_fd(-1)
            self._signals.restore()
            execute(self._orders, self._control)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)
        let_go_of_terminal()

    def _pass_on(self, number: int) -> None:
        self._note_signals()
        with contextlib.suppress(ProcessLookupError):
            if not self._has_reached_program(number):
                os.kill(self._program, number)

    def _has_reached_program(self, number: int) -> bool:
        """What reached this process reached the program as well, unless that has left the group (a shell does)."""
        noted_at = self._noted_at.get(number)
        is_of_our_group = os.getpgid(self._program) == os.getpgrp()
        return noted_at is not None and is_of_our_group and time.monotonic() - noted_at < _SAME_SIGNAL_SECONDS

    def _note_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in self._wake.recv(4096):
                self._noted_at[number] = time.monotonic()

    def _reap(self) -> bool:
        """Whatever ended, or was stopped; False when the program is among them and has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return True
            if pid == 0:
                return True
            if pid == self._program and not self._tell(status):
                return False

    def _tell(self, status: int) -> bool:
        message: Message
        if os.WIFSTOPPED(status):
            message = {"say": "stopped"}
        elif os.WIFCONTINUED(status):
            message = {"say": "continued"}
        else:
            code = os.waitstatus_to_exitcode(status)
            message = {"say": "ended", "status": code if code >= 0 else 128 - code}
        send(self._control, message)
        return message["say"] != "ended"


def _ignore(number: int, frame: object) -> None:
    """A handler that does nothing: the number is written to the wake-up socket all the same."""
