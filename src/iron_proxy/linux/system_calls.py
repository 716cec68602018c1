"""
The few calls of Linux that Python does not have, each raising OSError as `os` would.

Imported by the program inside a jail, which must start quickly: nothing but `ctypes` and `os`.
"""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

_CAPABILITY_VERSION_3 = 0x20080522  # two sets of 32 bits; <linux/capability.h>

# use_errno: what `ctypes.get_errno` reads is copied right after the call, before Python calls anything else.
_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Instructions(ctypes.Structure):
    """`struct sock_fprog`: how many instructions of classic BPF, and where they are."""

    _fields_ = (("count", ctypes.c_ushort), ("address", ctypes.c_void_p))


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). An empty `kind` or `options` is passed as none."""
    arguments = [_path(source), _path(target), _path(kind) or None, ctypes.c_ulong(flags), _path(options) or None]
    _check(_libc.mount(*arguments), target)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2); its result is 0 or more."""
    numbers = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return _check(_libc.prctl(ctypes.c_int(option), *numbers))


def clear_capabilities() -> None:
    """capset(2) with nothing in it: effective, permitted and inheritable."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)))


def install_seccomp(program: bytes) -> None:
    """PR_SET_SECCOMP for this thread and all it starts; needs no_new_privs. `program`: instructions of 8 bytes."""
    text = ctypes.create_string_buffer(program, len(program))
    instructions = _Instructions(len(program) // 8, ctypes.addressof(text))
    mode_filter = 2
    prctl(PR_SET_SECCOMP, mode_filter, ctypes.addressof(instructions))


def packet_filter_option(program: bytes) -> tuple[bytes, object]:
    """The value of SO_ATTACH_FILTER for a program, and what must stay alive until it has been set."""
    text = ctypes.create_string_buffer(program, len(program))
    return bytes(_Instructions(len(program) // 8, ctypes.addressof(text))), text


def _path(text: str) -> bytes:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def _check(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
