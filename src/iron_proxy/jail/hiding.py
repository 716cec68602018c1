"""
What of the machine a jailed program must not see, decided from what the machine says of itself.

A network namespace does not know of sockets that are files: whoever can reach `/run/docker.sock` or the agent of ssh is
outside. Nor does it know of mounts that talk to somebody. Decided outside, by `launch.py`, from texts of /proc; carried
out inside, by `mounts.py`. Pure.

Covered are folders (an empty one is there instead), masked are single files and sockets.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Sockets of services, of sessions, of containers. `/run` is a new, nearly empty file system inside.
_COVERED = ("/run", "/var/run", "/tmp/.X11-unix", "/tmp/.ICE-unix")  # noqa: S108 - where X has its sockets
# What lives below `/run` and is no service: programs and drivers of NixOS, disks that a user has plugged in.
_KEPT = (
    "/run/booted-system", "/run/current-system", "/run/media", "/run/opengl-driver", "/run/opengl-driver-32",
    "/run/wrappers",
)  # fmt: skip
# Folders that agents and multiplexers make for their sockets alone.
_SOCKET_FOLDER = re.compile(r"/tmp/(?:ssh-|dbus-|tmux-|agent\.|screen)[^/]*|.*/\.?screen/S?[^/]*")  # noqa: S108

# A second /proc shows the processes outside; an idle automounter asks the network for any name below it.
_MACHINE_MOUNTS = ("autofs", "proc")
# Interfaces of the kernel, whose files belong to root. Inside nobody has business with them but to read.
_KERNEL_MOUNTS = (
    "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "efivarfs", "fusectl", "pstore", "securityfs", "selinuxfs",
    "smackfs", "sysfs", "tracefs",
)  # fmt: skip

# Mount points and socket names have spaces and the like as \040.
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Hiding(NamedTuple):
    """Absolute paths; those that are not there any more are passed over when it is carried out."""

    covered: list[str]  # folders that are empty inside
    remade: list[str]  # folders below them that programs expect, private to the user
    kept: list[str]  # folders below them that stay
    masked: list[str]  # files, sockets and mount points that cannot be opened
    read_only: list[str]  # mount points


class Machine(NamedTuple):
    """What is looked at: two files of /proc, the environment of the caller, the working directory."""

    mount_info: str  # /proc/self/mountinfo
    unix_sockets: str  # /proc/net/unix
    environment: Mapping[str, str]
    working_directory: str


def decide_hiding(machine: Machine, binds: tuple[str, ...]) -> Hiding:
    """What to hide; what lies below one of `binds` stays."""
    runtime = machine.environment.get("XDG_RUNTIME_DIR", "")
    sockets = list(dict.fromkeys(_socket_files(machine)))
    covered = [*_COVERED, *sorted({folder for path in sockets if _is_of_sockets(folder := path.rpartition("/")[0])})]
    if runtime.startswith("/") and not is_below(runtime, "/run"):
        covered.append(runtime)
    kept = [*_KEPT]
    if machine.working_directory != runtime and any(is_below(machine.working_directory, each) for each in covered):
        kept.append(machine.working_directory)
    mounts = list(mount_points(machine.mount_info))
    masked = [path for path in sockets if not _is_among(path, covered) or _is_among(path, kept)]
    masked += _foreign_mounts(mounts, machine)
    return Hiding(
        covered=[path for path in covered if not _is_among(path, binds)],
        remade=[runtime] if is_below(runtime, "/run") else [],
        kept=kept,
        masked=[path for path in masked if not _is_among(path, binds)],
        read_only=[path for path, kind in mounts if _is_of_kernel(path, kind)],
    )


def socket_paths(unix_sockets: str) -> Iterator[str]:
    """The sockets of /proc/net/unix that are files. Abstract ones, with "@", are not to be seen from inside at all."""
    for line in unix_sockets.splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7].startswith("/"):
            yield fields[7]


def mount_points(mount_info: str) -> Iterator[tuple[str, str]]:
    """(path, kind of file system) of each line of /proc/self/mountinfo; see proc_pid_mountinfo(5)."""
    for line in mount_info.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) > 4 and right:
            yield _unescaped(fields[4]), right.split(" ")[0]


def is_below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder, and is not that folder."""
    return path.startswith(folder.rstrip("/") + "/") and path != folder


def _is_of_kernel(path: str, kind: str) -> bool:
    return is_below(path, "/sys") or (kind in _KERNEL_MOUNTS and not is_below(path, "/proc"))


def _is_among(path: str, folders: list[str] | tuple[str, ...]) -> bool:
    return any(path == folder or is_below(path, folder) for folder in folders)


def _is_of_sockets(folder: str) -> bool:
    return _SOCKET_FOLDER.fullmatch(folder) is not None


def _socket_files(machine: Machine) -> list[str]:
    """Those of the kernel's list, and those that variables name: their owners may live in another namespace."""
    named = [machine.environment.get("SSH_AUTH_SOCK", "")]
    for variable in ("DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST"):
        named += re.findall(r"unix:(?:path=|//)(/[^,;]+)", machine.environment.get(variable, ""))
    return [*socket_paths(machine.unix_sockets), *(path for path in named if path.startswith("/"))]


def _foreign_mounts(mounts: list[tuple[str, str]], machine: Machine) -> list[str]:
    """A mount that something else is mounted on, or that the user works below, is not idle."""
    needed = (machine.working_directory, machine.environment.get("HOME", ""))
    found = []
    for place, (path, kind) in enumerate(mounts):
        if kind not in _MACHINE_MOUNTS or path == "/proc" or is_below(path, "/proc"):
            continue
        is_covered = any(path == later for later, _ in mounts[place + 1 :])
        if kind == "proc" or not (is_covered or any(_is_among(each, [path]) for each in needed)):
            found.append(path)
    return found


def _unescaped(path: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)
