"""
Read the CA's two files into memory; understanding them is `authority.py`'s work.

Kept apart, and free of heavy imports, because a launcher may delete `ca.key` as soon as we run: `cli/serve.py` calls
`read_ca_files` before it imports anything that takes time.
"""

import os
import stat

from iron_proxy.errors import StartupError

# A chain of ten RSA-4096 certificates in PEM is some 20 KiB. The cap is for a path that names a device or a log file.
MAX_FILE_BYTES = 1024 * 1024


class CAFiles:
    """The bytes of `tls.ca_cert` and `tls.ca_key`, and what to call them in a message. Never prints the key."""

    __slots__ = ("certificate", "certificate_path", "key", "key_mode", "key_path")

    def __init__(
        self, certificate: bytes, key: bytes, certificate_path: str, key_path: str, key_mode: int = 0o600
    ) -> None:
        self.certificate = certificate
        self.key = key
        self.certificate_path = certificate_path
        self.key_path = key_path
        self.key_mode = key_mode

    @property
    def is_open_to_others(self) -> bool:
        """
        Whether anybody on the machine can read the key, and so pass for any server.

        Those of the file's group do not count: files mounted into containers often belong to one.
        """
        return bool(self.key_mode & 0o007)

    def __repr__(self) -> str:
        return f"<CAFiles {self.certificate_path} {self.key_path}>"


def read_ca_files(certificate_path: str, key_path: str) -> CAFiles:
    """Read both files. Raises StartupError naming the file, the reason and a remedy."""
    certificate, _ = _read(certificate_path, "CA cert", "tls.ca_cert")
    key, key_mode = _read(key_path, "CA key", "tls.ca_key")
    return CAFiles(certificate, key, certificate_path, key_path, key_mode)


def _read(path: str, what: str, setting: str) -> tuple[bytes, int]:
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StartupError(f"reading {what}: {path}: {_reason(error)}; {_remedy(error, setting)}") from error
    except ValueError:  # a NUL in the name: open() does not even try
        raise StartupError(f"reading {what}: {path!r} is not a file name; check {setting}") from None
    if len(content) > MAX_FILE_BYTES:
        raise StartupError(f"reading {what}: {path} is larger than 1 MiB; {setting} must name a PEM file")
    return content, mode


def _reason(error: OSError) -> str:
    # Go writes "no such file or directory"; Python's text is the same with a capital.
    return os.strerror(error.errno).lower() if error.errno is not None else type(error).__name__


def _remedy(error: OSError, setting: str) -> str:
    match error:
        case FileNotFoundError():
            return f"check {setting}, or make a CA with: iron-proxy generate-ca"
        case IsADirectoryError():
            return f"{setting} must name a PEM file"
        case PermissionError():
            return "let the user that runs iron-proxy read it"
        case _:
            return f"check {setting}"
