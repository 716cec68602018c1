"""`iron-proxy run` as if the program ran directly: status, signals, terminal, standard input; and how it ends."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.fakes.run_world import Done, RunWorld
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

QUIET = ("-summary", "off")


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["no-such-command"], 127),
        (["./no-such-file"], 127),
        (["/etc/hostname"], 126),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("weak", [False, True], ids=["", "weak"])
def test_the_status_is_the_programs(
    run_world: RunWorld, user: str, command: list[str], status: int, weak: bool
) -> None:
    done = run_world.run(*QUIET, *(["-weak"] if weak else []), "--", *command, user=user)

    assert done.status == status
    if status == 127:
        assert f"iron-proxy: {command[0]}: " in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which program?"),
        (["-no-such-flag"], "flag provided but not defined: -no-such-flag"),
        (["-secret", "UNSET_VARIABLE@example.com", "--", "touch", "started"], "the variable is not set, or empty"),
        (["-secret", "sk-the-value-itself", "--", "touch", "started"], "the name of a variable, not its value"),
        (["-allow", "https://example.com/x", "--", "touch", "started"], "write example.com"),
        (["-port", "0", "--", "touch", "started"], "not a port number"),
        (["-summary", "xml", "--", "touch", "started"], '-summary is text, json or off; got "xml"'),
        (["-config", "no-such.yaml", "--", "touch", "started"], "no such file"),
        (["-weak", "-bind", "/run", "--", "touch", "started"], "-bind and -port are for the jail"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_started(run_world: RunWorld, arguments: list[str], words: str) -> None:
    done = run_world.run(*arguments)

    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert "sk-the-value" not in done.err
    assert not (run_world.folder / "started").exists()


def test_where_namespaces_are_forbidden_one_sentence_says_so_and_nothing_is_started(run_world: RunWorld) -> None:
    """In a user namespace in which no more may be made."""
    inner = run_world.command("-learn", "learned.yaml", "--", "touch", "started")
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'

    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", *inner[inner.index("exec") + 2 :]],
        env=run_world.environment(), cwd=run_world.folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "user.max_user_namespaces" in done.stderr
    assert not (run_world.folder / "started").exists()
    assert not (run_world.folder / "learned.yaml").exists()


def test_nothing_that_is_left_behind_outlives_the_program(run_world: RunWorld, user: str) -> None:
    script = "(sleep 987 & sleep 987 &) ; nohup setsid sleep 987 & exit 3"

    done = run_world.run(*QUIET, "--", "sh", "-c", script, user=user)

    assert done.status == 3
    assert not processes("sleep 987")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_program_dies_with_the_proxy(run_world: RunWorld, user: str, number: int) -> None:
    with started(run_world, "sh", "-c", "echo ready; exec sleep 986", user=user) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        os.kill(proxy_of(run), number)

        wait_until(lambda: not processes("sleep 986"), 10.0, pause=0.001)


def test_the_program_cannot_end_or_see_the_proxy(run_world: RunWorld, user: str) -> None:
    script = "kill -9 $PPID; kill -9 -1; ls /proc | grep -c '^[0-9]'; curl -sS https://example.com/"

    done = run_world.run(*QUIET, "-allow", "example.com", "--", "sh", "-c", script, user=user)

    # `kill -1` spares the process that asks; whether the program survives killing everybody is its own affair.
    assert done.status in (0, 137)
    assert done.out.endswith("open\n") or done.status == 137


# --- signals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", [False, True], ids=["", "weak"])
@pytest.mark.parametrize("name", ["TERM", "USR1", "HUP"])
def test_a_signal_to_the_proxy_is_the_programs_to_answer(run_world: RunWorld, user: str, name: str, weak: bool) -> None:
    script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.05; done"
    options = ["-weak"] if weak else []
    with started(run_world, "sh", "-c", script, user=user, options=options) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        os.kill(proxy_of(run), getattr(signal, f"SIG{name}"))

        assert run.stdout.readline() == f"got {name}\n".encode()
        assert run.wait(10) == 5


# --- terminal and input ---------------------------------------------------------------------------------------------


def test_input_and_working_directory_are_the_callers(run_world: RunWorld, user: str) -> None:
    done = run_world.run(*QUIET, "--", "sh", "-c", "cat; pwd; id -un", user=user, stdin="a\nb\n")

    assert done.out == f"a\nb\n{run_world.folder}\n{user}\n"


def test_what_reads_the_output_sees_its_end(run_world: RunWorld) -> None:
    """`iron-proxy run -- yes | head -1` ends, as the program dies of SIGPIPE."""
    command = [*run_world.command(*QUIET, "--", "yes")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=run_world.environment(), cwd=run_world.folder) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"y\n"
        run.stdout.close()

        assert run.wait(10) == 128 + signal.SIGPIPE


class Terminal:
    """A program on a terminal of its own, as its session's leader."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, environment)
        self.seen = b""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def read_until(self, text: bytes, timeout: float = 15.0) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.seen
            self.seen += os.read(self._master, 4096)

    def interrupt(self, prompt: bytes) -> None:
        """Control-C, and the shell's next prompt: what is typed before that may be thrown away."""
        self.seen = b""
        self.type(b"\x03")
        self.read_until(prompt)

    def wait(self) -> int:
        with contextlib.suppress(OSError):  # EIO: everybody has closed the terminal
            while data := os.read(self._master, 4096):
                self.seen += data
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(run_world: RunWorld, user: str) -> Callable[..., Terminal]:
    def start(*command: str) -> Terminal:
        words = run_world.command(*QUIET, "--", *command, user=user)
        return Terminal(words, run_world.environment(user), run_world.folder)

    return start


def test_control_c_reaches_the_program_once_and_the_proxy_waits_for_it(terminal: Callable[..., Terminal]) -> None:
    script = "trap 'n=$((n+1)); echo interrupt $n' INT; echo ready; read line; echo line $line; exit 6"
    run = terminal("sh", "-c", script)
    run.read_until(b"ready")
    run.type(b"\x03")
    run.read_until(b"interrupt 1")
    run.type(b"hello\r")

    assert run.wait() == 6
    assert b"interrupt 2" not in run.seen


def test_the_program_has_a_terminal_with_its_size(terminal: Callable[..., Terminal]) -> None:
    run = terminal("sh", "-c", "test -t 0 && test -t 1 && stty rows 33 cols 77 && stty size; exit 0")

    assert run.wait() == 0
    assert b"33 77" in run.seen


def test_a_shell_on_a_terminal_has_job_control(run_world: RunWorld, user: str) -> None:
    """bash -i: control-Z stops `iron-proxy run` and what is in it, `fg` lets both go on."""
    inner = " ".join(run_world.command(*QUIET, "--", "sh", "-c", "'echo ready; sleep 985; echo over'", user=user))
    run = Terminal(["bash", "--norc", "-i"], {**run_world.environment(), "PS1": "prompt> "}, run_world.folder)
    run.read_until(b"prompt> ")
    run.type(inner.encode() + b"\r")
    run.read_until(b"\nready")
    wait_until(lambda: bool(processes("sleep 985")), 10.0, pause=0.001)
    run.type(b"\x1a")
    run.read_until(b"Stopped")
    wait_until(lambda: states("sleep 985") == {"T"}, 10.0, pause=0.001)
    run.type(b"fg\r")
    wait_until(lambda: states("sleep 985") == {"S"}, 10.0, pause=0.001)
    run.interrupt(b"prompt> ")
    run.type(b"echo status $?\r")
    run.read_until(b"status 130")
    run.type(b"exit 0\r")

    assert run.wait() == 0
    assert not processes("sleep 985")


def test_an_interactive_shell_inside_works(terminal: Callable[..., Terminal]) -> None:
    run = terminal("env", "PS1=inside> ", "bash", "--norc", "-i")
    run.read_until(b"inside> ")
    assert b"no job control" not in run.seen
    run.type(b"sleep 984\r")
    wait_until(lambda: bool(processes("sleep 984")), 10.0, pause=0.001)
    run.interrupt(b"inside> ")
    run.type(b"echo $((40 + 2))\r")
    run.read_until(b"42")
    run.type(b"exit 9\r")

    assert run.wait() == 9


# --- many at once ---------------------------------------------------------------------------------------------------


MANY = """
import socket, sys, urllib.request
held = [socket.create_connection(("example.com", 443), 10) for _ in range(int(sys.argv[1]))]
print(len(held), urllib.request.urlopen("http://example.com/").status)
"""


def test_a_program_that_holds_thousands_of_connections_starves_nobody(run_world: RunWorld, user: str) -> None:
    """The proxy has more room for them than the program's own soft limit says."""
    script = 'ulimit -Sn; ulimit -Sn 4000; exec python3 -c "$1" 3000'
    shell = ["sh", "-c", 'ulimit -Sn 1024; exec "$@"', "sh"]
    words = run_world.command(*QUIET, "-allow", "example.com", "--", "sh", "-c", script, "sh", MANY, user=user)

    done = subprocess.run(
        [*shell, *words], env=run_world.environment(user), cwd=run_world.folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout == "1024\n3000 200\n", done.stderr


def test_ten_run_side_by_side(run_world: RunWorld, user: str) -> None:
    def one(number: int) -> Done:
        url = f"https://example.com/{number}"
        return run_world.run("-allow", "example.com", "--", "curl", "-sS", url, user=user)

    start = run_world.mark()
    with ThreadPoolExecutor(10) as threads:
        done = list(threads.map(one, range(10)))

    assert [(each.status, each.out) for each in done] == [(0, "open\n")] * 10
    assert sorted(each["path"] for each in run_world.arrived(start)) == [f"/{number}" for number in range(10)]


# --- looking at processes -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(
    world: RunWorld, *command: str, user: str, options: list[str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    words = world.command(*QUIET, *(options or []), "--", *command, user=user)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=world.environment(user), cwd=world.folder
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def proxy_of(run: "subprocess.Popen[bytes]") -> int:
    """`ip netns exec` and `setpriv` become what they start."""
    return run.pid


def processes(command: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "cmdline").read_bytes().replace(b"\0", b" ").strip() == command.encode():
                found.append(int(path.name))
    return found


def states(command: str) -> set[str]:
    texts = [Path(f"/proc/{pid}/stat").read_text() for pid in processes(command)]
    return {text.rpartition(")")[2].split()[0] for text in texts}
