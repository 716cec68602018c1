"""
The process's own log: one JSON object a line on stderr, in the shape of Go's slog. Audit records are not written here.

stderr has one owner: tracebacks, warnings and the loop's complaints come out as JSON lines too, with names and places
only. The text of a foreign exception may quote what a client sent, so it is never written.
"""

import asyncio
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from msgspec import json

from iron_proxy.audit.record import timestamp

Write = Callable[[bytes], None]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_WORDS = {logging.DEBUG: "DEBUG", logging.INFO: "INFO", logging.WARNING: "WARN", logging.ERROR: "ERROR"}

log = logging.getLogger("iron_proxy")


class JSONLines(logging.Handler):
    """Writes `time`, `level`, `msg` and the record's `fields` as one line."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a log that cannot be written is no reason to fail."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        line = {
            "time": timestamp(),
            "level": _WORDS.get(record.levelno, "INFO"),
            "msg": record.getMessage(),
            **fields,
        }
        try:
            self._write(json.encode(line, enc_hook=str) + b"\n")
        except OSError:
            pass


def start_logging(level: str, write: Write) -> None:
    """Make `iron_proxy` loggers write to `write`, and everything that would print to stderr come out as lines too."""
    log.handlers = [JSONLines(write)]
    # A level that does not exist is one of the problems that the caller is about to tell.
    log.setLevel(LEVELS.get(level, logging.INFO))
    log.propagate = False
    # Libraries' loggers say nothing that an operator must act on, and would print as text.
    logging.lastResort = logging.NullHandler()          # None would print once per logger
    sys.excepthook = _report_crash
    threading.excepthook = lambda crash: _report_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
    sys.unraisablehook = lambda failure: _report_crash(failure.exc_type, failure.exc_value, failure.exc_traceback)
    warnings.showwarning = _report_warning


def set_level(level: str) -> None:
    """Another `log.level`, from the next line on."""
    log.setLevel(LEVELS[level])


def report(level: int, message: str, **fields: Any) -> None:
    """One line of the process log."""
    log.log(level, message, extra={"fields": fields})


def report_loop_trouble(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: what asyncio would print as text."""
    error = context.get("exception")
    # asyncio's own loop goes on with the call and its arguments: "Exception in callback fail('...')".
    reason = context.get("message", "").partition("(")[0]
    fields = {"reason": reason} | (_described(error) if error is not None else {})
    report(logging.ERROR, "event loop error", **fields)


def _report_crash(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None:
        report(logging.ERROR, "internal error", **_described(error))


def _report_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    report(logging.WARNING, "python warning", category=category.__name__, place=f"{filename}:{lineno}")


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "trace": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
