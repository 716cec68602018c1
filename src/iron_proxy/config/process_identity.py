"""
From the names of `process.user` and `process.group` to the numbers that the kernel knows, as this machine has them.

Not read with the configuration: the machine that checks a file need not be the one that serves with it. Called by
`runtime/privileges.py` when it becomes that user, and by `inspection/process_checks.py`.
"""

import grp
import os
import pwd
from dataclasses import dataclass

from iron_proxy.config.schema import ProcessConfig
from iron_proxy.errors import StartupError


@dataclass(frozen=True, slots=True)
class Identity:
    """Numbers of a user, its group, and its supplementary groups; `name` is as configured."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def find_identity(process: ProcessConfig) -> Identity:
    """Whom `process.user` and `process.group` name. Raises StartupError; never root."""
    name = process.user or ""
    entry = _user_entry(name)
    uid = int(name) if entry is None else entry.pw_uid
    if uid == 0:
        raise StartupError(f"process.user: {name} is root, who keeps every right; name another user")
    if process.group is not None:
        gid = _group_id(process.group)
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise StartupError(
            f"process.user: no user has the number {name} here, so that its group is unknown; set process.group"
        )
    groups = (gid,) if entry is None else tuple(os.getgrouplist(entry.pw_name, gid))
    return Identity(name, uid, gid, groups)


def _user_entry(name: str) -> pwd.struct_passwd | None:
    """None for a number that nobody has, which containers often run as."""
    try:
        return pwd.getpwuid(int(name)) if _is_number(name) else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        if _is_number(name) and int(name) < 2**32 - 1:
            return None
        raise StartupError(
            f'process.user: there is no user "{name}" on this machine; make one, or name another'
        ) from None


def _group_id(name: str) -> int:
    if _is_number(name):
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise StartupError(
            f'process.group: there is no group "{name}" on this machine; make one, or name another'
        ) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
