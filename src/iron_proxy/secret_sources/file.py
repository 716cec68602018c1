"""
The `file` source: the exact bytes of a file, read off the event loop when first needed and again after `ttl`.

A newline at the end belongs to the value unless `trim: true` says otherwise; where it cannot stand, the error says
so. Built by `registry.py`.
"""

import asyncio
import os
import stat
import time
from collections.abc import Callable

from iron_proxy.config.section import Section
from iron_proxy.errors import SecretUnavailable
from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.secret_sources.expiring_value import ExpiringValue
from iron_proxy.secret_sources.source import Secret

# The largest credentials are key files and JSON bundles of some KiB; /dev/zero would otherwise fill the memory.
MAX_FILE_BYTES = 1024 * 1024
_ENDS_IN_NEWLINE = "the file ends in a newline: write it without one, or set trim: true on its source"


class FileSource:
    """One file, read whole. `trim` takes the newlines off its end."""

    def __init__(
        self,
        path: str,
        *,
        trim: bool = False,
        ttl: float = 0.0,
        failure_ttl: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = path
        self._trim = trim
        self._value = ExpiringValue(path, self._load, ttl, failure_ttl, clock=clock)

    @classmethod
    def from_section(cls, section: Section, clock: Callable[[], float]) -> "FileSource":
        """Read `path`, `trim`, `ttl` and `failure_ttl`. The file itself is not looked at yet."""
        path = section.text("path")
        if not path:
            section.problem(None, 'file source requires "path" field')
        return cls(
            path,
            trim=section.boolean("trim"),
            ttl=_lifetime(section, "ttl"),
            failure_ttl=_lifetime(section, "failure_ttl"),
            clock=clock,
        )

    @property
    def current(self) -> Secret | None:
        """The content while it is fresh."""
        return self._value.current

    async def get(self) -> Secret:
        """The file's content. Raises SecretUnavailable until it could be read once."""
        return await self._value.get()

    async def _load(self) -> Secret:
        content = (await asyncio.to_thread(_read, self.name)).decode("utf-8", "surrogateescape")
        if self._trim:
            content = content.rstrip("\r\n")
        if not content:
            raise SecretUnavailable(f'secret file "{self.name}" is empty')
        return Secret(self.name, content, _ENDS_IN_NEWLINE if content.endswith(("\n", "\r")) else "")


def _read(path: str) -> bytes:
    try:
        # Opening a named pipe would wait for its writer, and reading a device might never end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SecretUnavailable(f'reading secret file "{path}": not a regular file')
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SecretUnavailable(f'reading secret file "{path}": {reason}') from error
    if len(content) > MAX_FILE_BYTES:
        raise SecretUnavailable(f'reading secret file "{path}": larger than {MAX_FILE_BYTES} bytes')
    return content


def _lifetime(section: Section, key: str) -> float:
    text = section.text(key)
    if not text:
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        section.problem(key, f'parsing {key} "{text}": {error}')
        return 0.0
