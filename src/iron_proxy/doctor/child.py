"""
Start one client, with a limit on its time, and see that nothing of it is left.

What it prints on standard output is thrown away; of its standard error the end is kept, for the report.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from iron_proxy.errors import system_reason

# On loopback every client here is done within three seconds, the slowest (Java, which compiles) included. A machine
# that is busy with other things gets this much.
TIME_LIMIT: Final = 20.0
# The last lines say what went wrong; npm writes some 20 of them.
_MAX_KEPT_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a client ended: its status (None: it was stopped at the time limit), and the end of what it complained."""

    status: int | None
    complaint: str


def run_child(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, standard_input: bytes = b"",
    time_limit: float = TIME_LIMIT,
) -> ChildEnd:  # fmt: skip
    """Run a client to its end, in a session of its own, which is killed afterwards. Never raises OSError."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(standard_input)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the programs that the doctor is for, and no shell
                command, env=dict(environment), cwd=folder, stdin=given, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return ChildEnd(127, f"{command[0]}: {system_reason(error)}")
        status = _wait(process, time_limit)
        return ChildEnd(status, _end_of(errors))


def _wait(process: subprocess.Popen[bytes], time_limit: float) -> int | None:
    try:
        return process.wait(time_limit)
    except subprocess.TimeoutExpired:
        return None
    finally:  # an interrupt comes here too; and a client that has ended may have left somebody behind
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MAX_KEPT_BYTES))
    text = file.read(_MAX_KEPT_BYTES).decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text).strip()
