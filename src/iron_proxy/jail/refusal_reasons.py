"""
Why a jail could not be made, in a sentence with what to do about it.

The kernel gives a number; the reason is in its settings. Looked at after a failure, outside, by `launch.py`.
"""

import errno
import os
from pathlib import Path
from typing import NamedTuple

_APPARMOR = (
    "AppArmor does not let programs make user namespaces here: allow them with "
    "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
)
_WEAK = "or run it with --weak, which sets variables and stops nobody who ignores them"


class Settings(NamedTuple):
    """The settings that forbid namespaces, None where the kernel does not have one."""

    unprivileged_clone: str | None = None  # Debian's kernels
    apparmor_restricts: str | None = None  # Ubuntu since 23.10
    most_user_namespaces: str | None = None
    seccomp_mode: str | None = None  # "2": a filter is on this process already, as in containers
    selinux_denies: str | None = None

    @classmethod
    def read(cls) -> "Settings":
        """From /proc."""
        return cls(
            unprivileged_clone=_text("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts=_text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            most_user_namespaces=_text("/proc/sys/user/max_user_namespaces"),
            seccomp_mode=_status_field("Seccomp"),
            selinux_denies=_text("/sys/fs/selinux/booleans/deny_userns"),
        )


def sentence_for(step: str, number: int, text: str, settings: Settings) -> str:
    """`step`: as `steps.py` names it; `number`: errno, 0 for none; `text`: what was said with it."""
    if step == "processes" and number in (errno.EPERM, errno.EACCES):
        return (
            "parts of /proc are covered here, as in most containers, so that the jail cannot have one of its own: "
            "start the container with an uncovered one (docker: --security-opt systempaths=unconfined, "
            f"Kubernetes: procMount: Unmasked), {_WEAK}"
        )
    reason = _forbidden_by(number, settings) if step in ("namespaces", "identity") else ""
    if _takes_rights_away(settings) and step != "working directory" and number in (errno.EPERM, errno.EACCES):
        reason = _APPARMOR
    if reason:
        return f"{reason}, {_WEAK}"
    if step == "doors" and number == errno.EADDRINUSE:
        return "two doors of the jail have the same port: configure another one"
    if step == "working directory":
        return f"the working directory cannot be entered inside ({text}): it is hidden or gone; start from another one"
    return f"the jail could not be made: {step}: {text}"


def _forbidden_by(number: int, settings: Settings) -> str:
    if number == errno.EINVAL:
        return "this kernel has no user namespaces (CONFIG_USER_NS): use one that does"
    if settings.most_user_namespaces == "0" or number in (errno.ENOSPC, errno.EUSERS):
        return (
            "this machine allows no more user namespaces: raise the limit with "
            "`sudo sysctl -w user.max_user_namespaces=10000`"
        )
    if number not in (errno.EPERM, errno.EACCES):
        return ""
    if settings.unprivileged_clone == "0":
        return (
            "user namespaces are for root only here: allow them with "
            "`sudo sysctl -w kernel.unprivileged_userns_clone=1`"
        )
    if _takes_rights_away(settings):
        return _APPARMOR
    if settings.selinux_denies not in (None, "0 0", "0"):
        return "SELinux forbids user namespaces here: allow them with `sudo setsebool deny_userns off`"
    if settings.seccomp_mode == "2":
        return (
            "the seccomp filter of this container forbids namespaces: start it with one that allows them "
            "(docker: --security-opt seccomp=unconfined)"
        )
    return (
        "the kernel does not allow a user namespace here: in a container or a chroot, start outside of it "
        "or let it make namespaces"
    )


def _takes_rights_away(settings: Settings) -> bool:
    """AppArmor may allow the namespace, and forbid what is to be done in it."""
    return settings.apparmor_restricts not in (None, "0")


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _status_field(name: str) -> str | None:
    lines = (_text(f"/proc/{os.getpid()}/status") or "").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith(f"{name}:")), None)
