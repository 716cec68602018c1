"""
The environment that the process was started with: kept for its secrets, and taken away from where others look.

A copy stays in memory, as reloads may name variables that nothing has asked for so far. The original, which is what
`/proc/PID/environ` shows, is overwritten; and variables that hold secrets are taken out of `os.environ`, which children
inherit and libraries read. Called by `cli/serve.py`, and by `reload.py` for what a new configuration names.
"""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

# Fields of /proc/PID/stat (proc_pid_stat(5)): where the kernel has put the environment.
_ENV_START, _ENV_END = 50, 51
# Variables that may hold a password in a URL, and OpenTelemetry's, which hold tokens for the collector.
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_HEADERS: Final = tuple(f"OTEL_EXPORTER_OTLP_{part}HEADERS" for part in ("", "LOGS_", "METRICS_", "TRACES_"))


class SecretVariables(Mapping[str, str]):
    """An environment that notes in `asked` which variables it is asked for. Given to sources of secrets."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


def take_environment() -> dict[str, str]:
    """
    The environment, which from now on is no longer what `/proc/PID/environ` shows (Linux).

    To be called early, in the only thread: nothing may be reading variables meanwhile.
    """
    environment = dict(os.environ)
    if sys.platform == "linux":
        _overwrite_original()
    return environment


def _overwrite_original() -> None:
    for name, value in tuple(os.environ.items()):
        os.environ[name] = value                 # the C library makes a copy, and refers to that
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        original = Path("/proc/self/environ").read_bytes()
    except OSError:                              # no /proc here, so that nobody can look there either
        return
    # The name in parentheses is field 2, so that the list begins with field 3.
    start, end = int(fields[_ENV_START - 3]), int(fields[_ENV_END - 3])
    if 0 < start < end and end - start == len(original) and ctypes.string_at(start, end - start) == original:
        ctypes.memset(start, 0, end - start)


def forget_secrets(asked: Iterable[str]) -> None:
    """Take variables out of the process's environment: those that were asked for, and others that hold secrets."""
    with_passwords = [name for name in _PROXIES if "@" in os.environ.get(name, "")]
    for name in (*asked, *with_passwords, *_HEADERS):
        if name:
            os.environ.pop(name, None)
