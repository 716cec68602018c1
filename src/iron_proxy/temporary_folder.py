"""A folder for the files of one command: in the usual place, and where there is none a sentence says what to do."""

import tempfile

from iron_proxy.errors import StartupError, system_reason


def open_temporary_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A folder of this user alone; whoever opens it removes it (`with`, `cleanup`). Raises StartupError."""
    try:
        return tempfile.TemporaryDirectory(prefix=prefix)
    except FileNotFoundError as error:  # Python has tried all usual places
        raise StartupError(
            "no folder for temporary files can be written to; name one that can: TMPDIR=FOLDER"
        ) from error
    except OSError as error:
        reason = system_reason(error)
        raise StartupError(
            f"making a folder in {tempfile.gettempdir()}: {reason}; name another place: TMPDIR=FOLDER"
        ) from error
