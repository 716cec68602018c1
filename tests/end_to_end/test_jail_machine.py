"""What a jailed program cannot reach of the machine besides its network: sockets, files, processes, devices."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.end_to_end.jailed import OUTSIDE_SECRET, Person, listening_at, run_code, run_jailed

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets, whose paths may have no more than 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="jail") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


CONNECT = """
def connect(path):
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(path)
        return connecting.recv(100)
attempt("socket", lambda: connect(PATH))
"""


def test_a_socket_of_the_machine_that_is_a_file_is_out_of_reach(person: Person, place: Path, short: Path) -> None:
    path = short / "service.sock"
    with listening_at(path, person) as reached:
        outcome = run_code(person, CONNECT.replace("PATH", repr(str(path))), place)

    assert outcome.results["socket"] in ("EACCES", "ECONNREFUSED")
    assert reached == []


def test_unless_it_is_bound(person: Person, place: Path, short: Path) -> None:
    path = short / "service.sock"
    with listening_at(path, person) as reached:
        outcome = run_code(person, CONNECT.replace("PATH", repr(str(path))), place, binds=[str(path)])

    assert outcome.results == {"socket": "b'hello from outside'"}
    assert reached == [True]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make sockets of services")
@pytest.mark.parametrize("bound", [False, True])
def test_sockets_below_run_are_covered_and_can_be_bound(person: Person, place: Path, bound: bool) -> None:
    folder = Path("/run") / f"jail-test-{os.getpid()}"
    folder.mkdir()
    try:
        with listening_at(folder / "docker.sock", person) as reached:
            path = f"/run/{folder.name}/docker.sock"
            outcome = run_code(
                person,
                CONNECT.replace("PATH", repr(path)) + "attempt('folder', lambda: os.listdir('/run'))",
                place,
                binds=[path] if bound else [],
            )
    finally:
        folder.rmdir()

    assert outcome.results["socket"] == ("b'hello from outside'" if bound else "ENOENT")
    assert (folder.name in outcome.results["folder"]) == bound
    assert bool(reached) == bound


def test_the_session_and_the_agent_of_ssh_are_out_of_reach(person: Person, place: Path) -> None:
    with ExitStack() as stack:
        agent = Path(tempfile.mkdtemp(prefix="ssh-", dir="/tmp"))
        stack.callback(agent.rmdir)
        agent.chmod(0o755)
        reached = stack.enter_context(listening_at(agent / "agent.1", person))
        session = place / "session"
        session.mkdir()
        (session / "bus").write_text("")
        outcome = run_code(
            person,
            CONNECT.replace("PATH", repr(str(agent / "agent.1")))
            + f"attempt('session', lambda: os.listdir('{session}'))",
            place,
            outside_environment={"SSH_AUTH_SOCK": f"{agent}/agent.1", "XDG_RUNTIME_DIR": str(session)},
        )

    assert outcome.results == {"socket": "ENOENT", "session": "[]"}
    assert reached == []


AT_HIDDEN_FILES = """
attempt("read", lambda: open("ca.key").read())
attempt("write", lambda: open("ca.key", "w"))
attempt("append", lambda: os.open("ca.key", os.O_WRONLY | os.O_APPEND))
attempt("remove", lambda: os.unlink("ca.key"))
attempt("replace", lambda: os.rename(os.open("new", os.O_CREAT) and "new", "ca.key"))
attempt("permit", lambda: os.chmod("ca.key", 0o777))
attempt("link", lambda: os.link("ca.key", "other"))
attempt("folder", lambda: os.listdir("secrets"))
attempt("below", lambda: open("secrets/token").read())
attempt("uncover", lambda: libc.umount2(b"ca.key", 2) and ctypes.get_errno())
attempt("handle", lambda: call("open_by_handle_at", 3, ctypes.create_string_buffer(200), 0))
"""


def test_hidden_files_can_neither_be_read_nor_written_nor_taken_away(person: Person, place: Path) -> None:
    for name in ("ca.key", "secrets/token"):
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(OUTSIDE_SECRET)
        for each in (path, path.parent):
            if person.uid is not None:
                os.chown(each, person.uid, person.uid)

    outcome = run_code(
        person,
        AT_HIDDEN_FILES,
        place,
        hidden=[str(place / "ca.key"), str(place / "secrets")],
    )

    results = outcome.results
    assert results.pop("write") in ("EACCES", "EROFS")
    assert results == {
        "read": "EACCES",
        "append": "EACCES",
        "remove": "EBUSY",
        "replace": "EBUSY",
        "permit": "EROFS",
        "link": "EXDEV",
        "folder": "EACCES",
        "below": "EACCES",
        "uncover": "1",
        "handle": "EPERM",
    }
    assert (place / "ca.key").read_text() == OUTSIDE_SECRET


def test_files_are_shown_in_the_place_of_others(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        attempt("resolver", lambda: open("/etc/resolv.conf").read())
        attempt("own", lambda: open("/run/iron-proxy/ca.pem").read())
        attempt("change", lambda: open("/etc/resolv.conf", "w"))
        """,
        place,
        files={"/etc/resolv.conf": "nameserver 127.0.0.1", "/run/iron-proxy/ca.pem": "roots"},
    )

    results = outcome.results
    assert results.pop("change") in ("EROFS", "EACCES")
    assert results == {"resolver": "'nameserver 127.0.0.1'", "own": "'roots'"}


AT_THE_PROXY = """
attempt("processes", lambda: sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))
def environments():
    texts = []
    for name in os.listdir("/proc"):
        try:
            texts.append(Path(f"/proc/{name}/environ").read_text())
        except OSError:
            pass
    return any("outside-secret-canary" in text for text in texts)
attempt("environment", environments)
for name in ("environ", "mem", "maps", "cwd/.", "root/etc"):
    attempt(name, lambda: os.open(f"/proc/1/{name}", os.O_RDONLY))
memory = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
attempt("descriptor", lambda: os.open("/proc/1/fd/3", os.O_RDONLY))
attempt("trace", lambda: call("ptrace", 16, 1, 0, 0))
attempt("read memory", lambda: call("process_vm_readv", 1, memory, 1, memory, 1, 0))
attempt("kill everybody", lambda: os.kill(-1, 0))
attempt("kill the group", lambda: os.kill(0, signal.SIGKILL))
attempt("stop the group", lambda: os.kill(0, signal.SIGSTOP))
attempt("kill the first", lambda: os.kill(1, signal.SIGKILL))
attempt("after", lambda: socket.create_connection(("1.2.3.4", 80), 5).close())
"""


def test_the_proxy_cannot_be_seen_read_or_killed(person: Person, place: Path) -> None:
    outcome = run_code(person, AT_THE_PROXY, place)

    results = outcome.results
    assert results.pop("processes") == "[1, 2]"
    assert results.pop("kill everybody") in ("None", "ESRCH")
    assert results == {
        "environment": "False",
        "environ": "EACCES",
        "mem": "EACCES",
        "maps": "EACCES",
        "cwd/.": "EACCES",
        "root/etc": "EACCES",
        "descriptor": "EACCES",
        "trace": "EPERM",
        "read memory": "EPERM",
        "kill the group": "EPERM",
        "stop the group": "EPERM",
        "kill the first": "None",  # which does not hear it
        "after": "None",
    }


def test_signals_to_the_group_do_not_end_the_proxy(person: Person, place: Path) -> None:
    """`kill 0` is what scripts do at their end."""
    script = 'trap "echo asked >> heard" TERM; kill -TERM 0; exit 5'
    outcome = run_jailed(person, ["sh", "-c", script], place)

    assert (outcome.status, outcome.report["status"]) == (5, 5)
    assert (place / "heard").read_text() == "asked\n"


def test_the_terminal_gets_no_input_that_nobody_typed(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        import fcntl, pty, termios
        leader, follower = pty.openpty()
        attempt("type", lambda: fcntl.ioctl(follower, termios.TIOCSTI, b"x"))
        attempt("paste", lambda: fcntl.ioctl(follower, 0x541C, b"\\3"))
        attempt("size", lambda: fcntl.ioctl(follower, termios.TIOCGWINSZ, bytes(8)))
        """,
        place,
    )

    assert outcome.results == {"type": "EPERM", "paste": "EPERM", "size": repr(bytes(8))}


def test_settings_and_devices_of_the_machine_are_out_of_reach(person: Person, place: Path) -> None:
    """Also for the machine's root, whom their files would obey."""
    outcome = run_code(
        person,
        """
        import stat
        attempt("core pattern", lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
        attempt("module path", lambda: os.open("/proc/sys/kernel/modprobe", os.O_WRONLY))
        attempt("sys", lambda: os.open("/sys/kernel/uevent_helper", os.O_WRONLY))
        attempt("sys folder", lambda: os.mkdir("/sys/fs/cgroup/new"))
        attempt("disks", lambda: [n for n in os.listdir("/dev") if stat.S_ISBLK(os.stat(f"/dev/{n}").st_mode)])
        attempt("memory", lambda: os.open("/dev/mem", os.O_RDONLY))
        attempt("new device", lambda: os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0)))
        attempt("mount", lambda: libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None) and ctypes.get_errno())
        """,
        place,
    )

    results = outcome.results
    assert results.pop("core pattern") in ("EROFS", "EACCES")
    assert results.pop("module path") in ("EROFS", "EACCES", "ENOENT")
    assert results.pop("sys") in ("EROFS", "EACCES", "ENOENT")
    assert results.pop("sys folder") in ("EROFS", "EACCES", "ENOENT")
    assert results == {"disks": "[]", "memory": "ENOENT", "new device": "EPERM", "mount": "1"}


def test_the_working_directory_is_no_way_below_a_cover(person: Person, place: Path) -> None:
    """It is open when the folder above it is covered, and `..` would lead there."""
    session = place / "session"
    (session / "work").mkdir(parents=True)
    (session / "bus").write_text("secret")
    for each in (session, session / "work", session / "bus"):
        if person.uid is not None:
            os.chown(each, person.uid, person.uid)

    outcome = run_code(
        person,
        """
        attempt("here", lambda: open("file", "w").write("x"))
        attempt("above", lambda: os.listdir(".."))
        attempt("besides", lambda: open("../bus").read())
        """,
        place,
        directory=str(session / "work"),
        outside_environment={"XDG_RUNTIME_DIR": str(session)},
    )

    assert outcome.results == {"here": "1", "above": "['work']", "besides": "ENOENT"}
    assert (session / "work" / "file").read_text() == "x"
