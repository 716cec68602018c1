"""
The `file` source: the exact bytes of a file, read off the event loop when first needed and again after `ttl`.

A newline at the end belongs to the value unless `trim: true` says otherwise; where it cannot stand, the error says
so. With `base64: true` the value is what the content decodes to. Built by `registry.py`.
"""

import asyncio
import base64
import binascii
import os
import stat
import time
from collections.abc import Callable

from iron_proxy.config.section import Section
from iron_proxy.errors import SecretUnavailable
from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.secret_sources.expiring_value import ExpiringValue
from iron_proxy.secret_sources.source import Fetches, Secret

# The largest credentials are key files and JSON bundles of some KiB; /dev/zero would otherwise fill the memory.
MAX_FILE_BYTES = 1024 * 1024
_ENDS_IN_NEWLINE = "the file ends in a newline: write it without one, or set trim: true on its source"


class FileSource:
    """One file, read whole. `is_base64` decodes it; `trim` takes the newlines off the end of what results."""

    def __init__(
        self,
        path: str,
        *,
        trim: bool = False,
        is_base64: bool = False,
        ttl: float = 0.0,
        failure_ttl: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = path
        self._trim = trim
        self._is_base64 = is_base64
        self._value = ExpiringValue(path, self._load, ttl, failure_ttl, clock=clock)
        self._last: tuple[bytes, Secret] | None = None

    @classmethod
    def from_section(cls, section: Section, clock: Callable[[], float]) -> "FileSource":
        """Read `path`, `trim`, `base64`, `ttl` and `failure_ttl`. The file itself is not looked at yet."""
        path = section.text("path")
        if not path:
            section.problem(None, 'file source requires "path" field')
        return cls(
            path,
            trim=section.boolean("trim"),
            is_base64=section.boolean("base64"),
            ttl=_lifetime(section, "ttl"),
            failure_ttl=_lifetime(section, "failure_ttl"),
            clock=clock,
        )

    @property
    def current(self) -> Secret | None:
        """The content while it is fresh."""
        return self._value.current

    @property
    def fetched_at(self) -> float | None:
        """When the content was last read, by the clock; None before the first time."""
        return self._value.fetched_at

    @property
    def fetches(self) -> Fetches:
        """How often it was read."""
        return self._value.fetches

    async def get(self) -> Secret:
        """The file's content. Raises SecretUnavailable until it could be read once."""
        return await self._value.get()

    async def aclose(self) -> None:
        """End a reading that nobody waits for."""
        await self._value.aclose()

    async def _load(self) -> Secret:
        content, changed_at = await asyncio.to_thread(_read, self.name)
        if self._last is None or self._last[0] != content:
            self._last = content, self._secret_from(content)
        # The same content is the same object: whatever was derived from it stays good.
        secret = self._last[1]
        secret.changed_at = changed_at
        return secret

    def _secret_from(self, content: bytes) -> Secret:
        if self._is_base64:
            content = _decoded(content, self.name)
        text = content.decode("utf-8", "surrogateescape")
        if self._trim:
            text = text.rstrip("\r\n")
        if not text:
            raise SecretUnavailable(f'secret file "{self.name}" is empty')
        return Secret(self.name, text, _ENDS_IN_NEWLINE if text.endswith(("\n", "\r")) else "")


def _read(path: str) -> tuple[bytes, float]:
    """The content, and when it was last changed."""
    try:
        # Opening a named pipe would wait for its writer, and reading a device might never end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SecretUnavailable(f'reading secret file "{path}": not a regular file')
        with open(path, "rb") as file:
            content, changed_at = file.read(MAX_FILE_BYTES + 1), os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SecretUnavailable(f'reading secret file "{path}": {reason}') from error
    if len(content) > MAX_FILE_BYTES:
        raise SecretUnavailable(f'reading secret file "{path}": larger than {MAX_FILE_BYTES} bytes')
    return content, changed_at


def _decoded(content: bytes, path: str) -> bytes:
    """What base64 says. Its line breaks mean nothing: programs that write it put them in."""
    text = content.replace(b"\r", b"").replace(b"\n", b"")
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    # A second spelling of the same bytes is a file that was cut or edited.
    if base64.b64encode(decoded) != text:
        why = "base64 in the standard alphabet, with its padding and nothing else"
        raise SecretUnavailable(f'secret file "{path}" does not hold {why}, which base64: true on its source says')
    return decoded


def _lifetime(section: Section, key: str) -> float:
    text = section.text(key)
    if not text:
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        section.problem(key, f'parsing {key} "{text}": {error}')
        return 0.0
