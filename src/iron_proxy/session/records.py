"""
Where the audit records and the process log of a session go: never between the lines of the program, unless asked for.

To files that the caller has opened, or nowhere; counted they are in any case. Warnings of the process log are kept for
the summary. Called by `cli/run.py`.
"""

import logging
from collections.abc import Callable
from typing import Final

from iron_proxy.audit.emitter import AuditEmitter, write_to
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.record import Record
from iron_proxy.config.schema import LogConfig
from iron_proxy.runtime.last_wall import LAST_WALL
from iron_proxy.runtime.process_log import LEVELS, log, start_logging
from iron_proxy.secret_sources.known_values import KNOWN_VALUES
from iron_proxy.session.tally import printable

Write = Callable[[bytes], None]
Sink = Callable[[Record], None]

# Of one mistake in many places: the first say it all.
_MAX_WARNINGS: Final = 20


class KeptWarnings(logging.Handler):
    """The first warnings and errors of the process log, each once, as sentences."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        fields = ", ".join(f"{name}: {value}" for name, value in getattr(record, "fields", {}).items())
        sentence = printable(f"{record.getMessage()} ({fields})" if fields else record.getMessage())
        # It goes to the terminal: the same last wall as before the log.
        masked = KNOWN_VALUES.mask(sentence.encode("utf-8", "replace"))[0].decode("utf-8", "replace")
        if masked not in self.sentences and len(self.sentences) < _MAX_WARNINGS:
            self.sentences.append(masked)


class Records:
    """
    `descriptors`: where whole lines are written; they stay the caller's. `sinks` are given every audit record. `tell`
    is told sentences for the user, as they come.
    """

    def __init__(self, descriptors: tuple[int, ...], sinks: tuple[Sink, ...], tell: Callable[[str], None]) -> None:
        self._sinks, self._tell = sinks, tell
        self.notes: list[str] = []
        self._writers = tuple(map(write_to, descriptors))
        self._write = LAST_WALL.before(self._write_everywhere)
        self.warnings = KeptWarnings()

    def note(self, *sentences: str) -> None:
        """Tell the user something, now and in the summary."""
        for sentence in sentences:
            self.notes.append(sentence)
            self._tell(sentence)

    def start_log(self) -> None:
        """Take over the process log."""
        start_logging("info", self._write)
        log.addHandler(self.warnings)

    def set_level(self, level: str) -> None:
        """What is written from now on; warnings are kept whatever it is."""
        log.setLevel(min(LEVELS[level], logging.WARNING))
        log.handlers[0].setLevel(LEVELS[level])

    def emitter(self, config: LogConfig) -> AuditEmitter:
        """What the proxy is to emit its records with."""
        return AuditEmitter(ENVELOPES[config.audit_schema], self._write, self._sinks)

    def _write_everywhere(self, lines: bytes) -> None:
        for write in self._writers:
            write(lines)
