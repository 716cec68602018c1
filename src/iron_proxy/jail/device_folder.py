"""
A `/dev` of the jail's own: the devices that programs need, and no others. Called inside.

Whoever is root outside may open disks, memory and the hypervisor's socket by their device files, whatever namespaces
it is in; members of some groups too. So the devices are chosen, not removed. Terminals are new ones; the one that the
program runs on is `/dev/tty` and `/dev/console`.
"""

import contextlib
import glob
import os

from iron_proxy.linux.system_calls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC, mount

# Beyond what every program expects: graphics cards, virtual machines and file systems in user space, where there are
# any. None of them has a network of its own; a tunnel device needs rights in the namespace that it would serve.
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "kvm", "net/tun", "dri", "kfd", "nvidia*")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def open_devices() -> dict[str, int]:
    """Path below `/dev` → a descriptor that names the device, before the machine's folder is covered."""
    paths = [path for pattern in _DEVICES for path in glob.glob(f"/dev/{pattern}")]
    devices = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths}
    for descriptor in (0, 1, 2):
        # By name: what we were given open belongs to the namespace of mounts outside, and cannot be bound.
        with contextlib.suppress(OSError):
            devices["/dev/console"] = os.open(os.ttyname(descriptor), os.O_PATH | os.O_CLOEXEC)
            break
    return devices


def cover_devices(devices: dict[str, int]) -> None:
    """Mount the new folder, still writable, with these devices in it. Closes the descriptors. Raises OSError."""
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4m")
    for path, descriptor in devices.items():
        _bind_device(path, descriptor)
        os.close(descriptor)
    for name, aim in _LINKS.items():
        os.symlink(aim, f"/dev/{name}")
    os.mkdir("/dev/shm")  # noqa: S108 - where programs share memory
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777")  # noqa: S108
    os.mkdir("/dev/pts")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def _bind_device(path: str, descriptor: int) -> None:
    source = f"/proc/self/fd/{descriptor}"
    if os.path.isdir(source):
        os.makedirs(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb"):
            pass
    mount(source, path, flags=MS_BIND | MS_REC)
