"""
The management API's key: from a file or from a variable, kept as its digest only.

Called at the start, and by a reload for a key in a file, which may be a new one by then.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Final

from iron_proxy.config.schema import ManagementConfig
from iron_proxy.errors import ConfigError

# Far beyond any key; the cap is for a path that names a device or a log.
_MAX_KEY_BYTES: Final = 4096
# Guesses are slowed down (`access.py`), but not to nothing: 16 characters of any real generator are out of reach.
SHORT_KEY: Final = 16


def read_key(config: ManagementConfig, environment: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """The key's SHA-256, and warnings about it. Raises ConfigError with the key of the configuration to look at."""
    warnings: list[str] = []
    if config.api_key_file is not None:
        setting, key = f"management.api_key_file {config.api_key_file}", _from_file(config.api_key_file, warnings)
    else:
        setting, key = f"management.api_key_env {config.api_key_env}", _from_variable(config.api_key_env, environment)
    if any(byte <= 0x20 or byte >= 0x7F for byte in key):
        raise ConfigError([f"{setting}: holds more than visible ASCII characters, which no client can send"])
    if len(key) < SHORT_KEY:
        warnings.append(
            f"{setting}: is shorter than {SHORT_KEY} characters and can be guessed; make one with: openssl rand -hex 32"
        )
    return hashlib.sha256(key).digest(), warnings


def _from_variable(name: str, environment: Mapping[str, str]) -> bytes:
    key = environment.get(name, "").encode("utf-8", "surrogateescape")
    if not key:                                  # parity: upstream's words
        raise ConfigError([f'management.api_key_env "{name}" is not set in the environment'])
    return key


def _from_file(path: str, warnings: list[str]) -> bytes:
    setting = f"management.api_key_file {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)      # a pipe must not hold up the start
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(_MAX_KEY_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        raise ConfigError([f"{setting}: {reason.lower()}"]) from error
    key = content.rstrip(b"\r\n")
    if not key or len(content) > _MAX_KEY_BYTES:
        raise ConfigError([f"{setting}: {'is empty' if not key else 'is no key: it is too long'}"])
    if stat.S_IMODE(mode) & 0o077:
        warnings.append(f"{setting}: others can read it; chmod 600 {path}")
    return key
