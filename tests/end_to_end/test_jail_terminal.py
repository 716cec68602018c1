"""Job control through a jail: an interactive shell outside, sometimes another one inside, on a real terminal."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.jailed import Person, root, somebody
from tests.fakes.namespaces import SOURCE

pytestmark = [pytest.mark.end_to_end, pytest.mark.root, pytest.mark.slow]

RUN = """\
import asyncio, os, sys
from iron_proxy.jail.launch import Jail
from iron_proxy.jail.plan import JailPlan
from iron_proxy.jail.terminal import TerminalLink
async def main():
    async with await Jail.open(JailPlan(tuple(sys.argv[1:]), dict(os.environ))) as jail:
        with TerminalLink(jail):
            await jail.start()
            return await jail.wait()
sys.exit(asyncio.run(main()))
"""
TELLING = """\
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
os.write(1, b"ready\\n")
while True:
    signal.sigwait({signal.SIGCONT})
    os.write(1, b"again\\n")
"""
LIMIT = 15.0


class Terminal:
    """An interactive bash on a terminal of its own; what it writes is waited for, never slept for."""

    def __init__(self, person: Person, place: Path) -> None:
        (place / "run.py").write_text(RUN)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "PS1": "OUT> ", "TERM": "dumb"}
        (place / "tells.py").write_text(TELLING)
        environment["P"] = f"{person.python} -I -S"
        environment["J"] = f"{person.python} -B {place / 'run.py'}"
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            if person.uid is not None:
                os.chown(os.ttyname(0), person.uid, person.uid)
                os.setgroups([])
                os.setgid(person.uid)
                os.setuid(person.uid)
            os.chdir(place)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], environment)
        self._seen = ""
        self.size(24, 80)
        self.wait("OUT> ")

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait(self, text: str) -> str:
        """Everything up to a text, which must come."""
        end = time.monotonic() + LIMIT
        while text not in self._seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"waited for {text!r}, saw {self._seen!r}"
            self._seen += os.read(self._descriptor, 4096).decode(errors="replace").replace("\r\n", "\n")
        before, _, self._seen = self._seen.partition(text)
        return before

    def command(self, text: str) -> str:
        """Type a line for the outer shell, wait for its next prompt; what was written in between."""
        self.type(f"{text}\n")
        self.wait(f"{text}\n")
        return self.wait("OUT> ")

    def close(self) -> None:
        os.close(self._descriptor)
        os.waitpid(self._pid, 0)


@pytest.fixture(params=["root", "somebody"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    if sys.platform != "linux" or not Path("/bin/bash").exists():
        pytest.skip("needs bash")
    person = root() if request.param == "root" else somebody()
    with person.folder() as folder:
        opened = Terminal(person, folder)
        yield opened
        opened.close()


def test_the_window_has_its_size_and_the_terminal_its_name(terminal: Terminal) -> None:
    terminal.size(41, 99)

    assert terminal.command("$J sh -c 'stty size; tty'").split() == ["41", "99", "/dev/console"]


def test_a_change_of_the_window_is_told(terminal: Terminal) -> None:
    terminal.type("""$J sh -c 'trap "stty size; exit" WINCH; echo rea""dy; while :; do sleep 0.05; done'\n""")
    terminal.wait("ready\n")
    terminal.size(33, 77)

    assert "33 77" in terminal.wait("OUT> ")


def test_an_interrupt_ends_the_program_and_is_heard_once(terminal: Terminal) -> None:
    terminal.type("""$J sh -c 'trap "echo heard; exit 3" INT; echo rea""dy; while :; do sleep 0.05; done'\n""")
    terminal.wait("ready\n")
    terminal.type("\x03")

    assert terminal.wait("OUT> ").count("heard") == 1
    assert terminal.command("echo status=$?").strip() == "status=3"


# What is stopped here neither reads nor forks: a reader may take a byte of what is typed next before it notices, and a
# shell that is just starting something (vfork) notices nothing. Both are so without a jail.
TELLS = "$P tells.py"


def test_stop_and_go_on(terminal: Terminal) -> None:
    terminal.type(f"$J {TELLS}\n")
    terminal.wait("ready\n")
    terminal.type("\x1a")
    assert "Stopped" in terminal.wait("OUT> ")
    assert "Stopped" in terminal.command("jobs")
    terminal.type("fg\n")
    terminal.wait("again\n")
    terminal.type("\x03")
    terminal.wait("OUT> ")

    assert terminal.command("echo status=$?").strip() == "status=130"


def test_a_pipeline_is_stopped_and_continued_as_one(terminal: Terminal) -> None:
    terminal.type(f"$J {TELLS} | cat\n")
    terminal.wait("ready\n")
    terminal.type("\x1a")
    assert "Stopped" in terminal.wait("OUT> ")
    terminal.type("fg\n")
    terminal.wait("again\n")
    terminal.type("\x03")

    terminal.wait("OUT> ")


def test_what_is_typed_is_the_programs(terminal: Terminal) -> None:
    terminal.type("$J sh -c 'echo rea\"\"dy; read line; echo got $line'\n")
    terminal.wait("ready\n")
    terminal.type("words\n")

    assert "got words" in terminal.wait("OUT> ")


def test_a_program_that_stops_itself_stops_the_job(terminal: Terminal) -> None:
    assert "Stopped" in terminal.command("$J sh -c 'kill -STOP $$; echo resu\"\"med'")
    terminal.type("fg\n")

    assert "resumed" in terminal.wait("OUT> ")


def test_a_shell_inside_controls_jobs_of_its_own(terminal: Terminal) -> None:
    terminal.type("PS1='IN> ' $J bash --norc --noprofile --noediting -i\n")
    terminal.wait("-i\n")
    terminal.wait("IN> ")
    terminal.type(f"{TELLS}\n")
    terminal.wait("ready\n")
    terminal.type("\x1a")
    assert "Stopped" in terminal.wait("IN> ")
    terminal.type("fg\n")
    terminal.wait("again\n")
    terminal.type("\x03")
    terminal.wait("IN> ")
    terminal.type("suspend\n")
    assert "Stopped" in terminal.wait("OUT> ")
    terminal.type("fg\n")
    terminal.wait("-i\n")
    terminal.type("echo ba''ck\n")
    terminal.wait("back\n")
    terminal.type("exit 5\n")
    terminal.wait("OUT> ")

    assert terminal.command("echo status=$?").strip() == "status=5"


def test_a_job_in_the_background_is_ended_by_its_shell(terminal: Terminal) -> None:
    terminal.command("$J sleep 1000 &")
    terminal.type("kill %1; wait %1; echo sta''tus=$?\n")

    terminal.wait("status=143\n")
