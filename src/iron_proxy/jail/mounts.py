"""
Carrying out what `hiding.py` decided: mounts in a mount namespace of the jail's own. Called inside.

What is mounted here can be taken away by nobody inside: the program has no capability in the namespace that owns these
mounts, and to namespaces that it makes itself they come locked (mount_namespaces(7)).
"""

import errno
import os
import stat

from iron_proxy.jail.orders import Orders
from iron_proxy.linux.system_calls import (
    MS_BIND,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    mount,
)

# A file system in memory that a program could fill: what belongs into `/run` is small.
_COVER_OPTIONS = "mode=0755,size=16m"
# statvfs says in its own bits how a path is mounted. A remount must repeat them: some are locked.
_MOUNT_FLAGS = {
    os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC, os.ST_NOATIME: MS_NOATIME,
    os.ST_NODIRATIME: MS_NODIRATIME, os.ST_RELATIME: MS_RELATIME,
}  # fmt: skip
# What is not there cannot be reached; nor can what not even the namespace's root can look up.
_ABSENT = (FileNotFoundError, NotADirectoryError, PermissionError)


def detach_from_machine() -> None:
    """Nothing that is mounted here shows outside, nor the other way round."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def make_read_only(path: str) -> None:
    """For what is mounted exactly there. Raises OSError."""
    as_it_is = os.statvfs(path).f_flag
    flags = sum(flag for bit, flag in _MOUNT_FLAGS.items() if as_it_is & bit)
    mount("none", path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def hold(paths: list[str]) -> dict[str, int]:
    """Path → a descriptor that names it, of what is to stay reachable. Before anything is covered."""
    held = {}
    for path in paths:
        try:
            held[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except _ABSENT:
            continue
    return held


class Covers:
    """
    Hides and shows. The order is: `cover`, `put_back` what was held, `mask`, `show`, `close`.

    `staging`: where a folder for what is shown instead can be made, on a file system of the jail's own.
    """

    def __init__(self, staging: str, held: dict[str, int]) -> None:
        self._staging = staging
        self._held = held
        self._own_devices: set[int] = set()
        self._count = 0
        os.mkdir(staging, 0o700)
        self._own_devices.add(os.stat(staging).st_dev)
        self._no_file = self._new_file(b"", 0)
        self._no_folder = f"{staging}/none"
        os.mkdir(self._no_folder, 0)

    def cover(self, folder: str) -> None:
        """An empty folder of the user's own instead. Where a link leads is covered, once."""
        real = os.path.realpath(folder)
        if os.path.isdir(real) and not self._is_ours(real):
            mount("tmpfs", real, "tmpfs", MS_NOSUID | MS_NODEV, _COVER_OPTIONS)
            self._own_devices.add(os.stat(real).st_dev)

    def remake(self, folder: str, mode: int) -> None:
        """A folder below a covered one that programs expect."""
        if self._is_ours(folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)

    def put_back(self) -> None:
        """What was held is in its place again where a cover has hidden it."""
        for path, descriptor in self._held.items():
            if not _is_same(path, descriptor):
                is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
                _make_place(path, is_folder=is_folder)
                mount(f"/proc/self/fd/{descriptor}", path, flags=MS_BIND | (MS_REC if is_folder else 0))
            os.close(descriptor)
        self._held.clear()

    def mask(self, path: str) -> None:
        """Nothing of a file, socket or folder can be read or written."""
        kind = _kind_of(path)
        if kind:
            self._bind_read_only(self._no_folder if stat.S_ISDIR(kind) else self._no_file, path)

    def show(self, path: str, content: bytes) -> bool:
        """A file with this content instead; whether there was a place for it."""
        real = os.path.realpath(path)
        if not _kind_of(real):
            if not self._is_ours(real):
                return False
            _make_place(real, is_folder=False)
        self._bind_read_only(self._new_file(content, 0o444), real)
        return True

    def close(self) -> None:
        """Remove the names of what is shown; what is mounted stays."""
        os.rmdir(self._no_folder)
        for name in os.listdir(self._staging):
            os.unlink(f"{self._staging}/{name}")
        os.rmdir(self._staging)

    def _is_ours(self, path: str) -> bool:
        """Whether a path, or the nearest folder of it that is there, lies on a file system that was made here."""
        while not (path == "/" or _kind_of(path)):
            path = os.path.dirname(path)
        return os.stat(path).st_dev in self._own_devices

    def _new_file(self, content: bytes, mode: int) -> str:
        self._count += 1
        path = f"{self._staging}/{self._count}"
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
        return path

    def _bind_read_only(self, source: str, path: str) -> None:
        mount(source, path, flags=MS_BIND)
        make_read_only(path)


def hide_and_show(covers: Covers, orders: Orders) -> list[str]:
    """All of it, in order. The targets of `files` that there was no place for."""
    for folder in sorted(orders.covered, key=len):
        covers.cover(folder)
    covers.remake("/run/lock", 0o1777)
    for folder in orders.remade:
        covers.remake(folder, 0o700)
    covers.put_back()
    for path in orders.masked:
        covers.mask(path)
    not_shown = [path for path, content in orders.files.items() if not covers.show(path, content)]
    for path in orders.hidden:
        covers.mask(path)
    for path in orders.read_only:
        _make_read_only_if_reachable(path)
    return not_shown


def _make_read_only_if_reachable(path: str) -> None:
    """A mount point that is covered by another mount is none any more (EINVAL)."""
    try:
        make_read_only(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def _kind_of(path: str) -> int:
    """The mode of what is there, 0 for nothing."""
    try:
        return os.stat(path).st_mode
    except _ABSENT:
        return 0


def _is_same(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except _ABSENT:
        return False


def _make_place(path: str, *, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not _kind_of(path):
        with open(path, "xb"):
            pass
