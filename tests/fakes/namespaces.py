"""Code that runs as root of namespaces of its own, in a process of its own: what the inside of a jail is made of."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

_BEGIN = """
import json, os, sys
sys.path.append({source!r})
from iron_proxy.linux import system_calls
uid, gid = os.getuid(), os.getgid()
try:
    system_calls.unshare({flags})
    for name, line in (("setgroups", "deny"), ("uid_map", f"{{uid}} {{uid}} 1"), ("gid_map", f"{{gid}} {{gid}} 1")):
        with open(f"/proc/self/{{name}}", "w") as file:
            file.write(line)
except OSError as error:
    print(error)
    sys.exit(77)
"""
_NETWORK_AND_MOUNTS = 0x10000000 | 0x40000000 | 0x00020000


def run_in_namespaces(code: str, flags: int = _NETWORK_AND_MOUNTS) -> str:
    """What the code prints. Skips the test where the kernel allows no namespaces."""
    program = _BEGIN.format(source=str(SOURCE), flags=flags) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode == 77:
        pytest.skip(f"this machine allows no user namespaces: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout
