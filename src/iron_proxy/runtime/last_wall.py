"""
The last wall before the logs: a known secret that is about to be written is masked, counted and told as an error.

Nothing should ever reach it: whoever composes a line keeps secrets out of it, and a test run in which the wall was hit
fails. It stands around the writer, so that neither the process log nor the audit emitter knows of it. Which values are
known is `secret_sources/known_values.py`.
"""

import logging
import time
from collections.abc import Callable

from iron_proxy.secret_sources.known_values import KNOWN_VALUES, KnownValues

Write = Callable[[bytes], None]

# A leak in a busy place is one mistake, however many lines it is in.
_TOLD_EVERY = 60.0

_log = logging.getLogger("iron_proxy.secrets")


class LastWall:
    """Stands before any number of writers. `hits` counts what it had to mask."""

    def __init__(self, known: KnownValues = KNOWN_VALUES, clock: Callable[[], float] = time.monotonic) -> None:
        self._known = known
        self._clock = clock
        self._told_at: dict[str, float] = {}

    @property
    def hits(self) -> int:
        """How often a secret was masked."""
        return self._known.hits

    def before(self, write: Write) -> Write:
        """A writer that masks, and then does what `write` does."""
        mask = self._known.mask

        def write_masked(text: bytes) -> None:
            masked, names = mask(text)
            write(masked)
            if names:
                self._tell(names)

        return write_masked

    def _tell(self, names: tuple[str, ...]) -> None:
        now = self._clock()
        for name in names:
            if now - self._told_at.get(name, -_TOLD_EVERY) >= _TOLD_EVERY:
                self._told_at[name] = now  # before the line is written: it comes through here too
                _log.error("secret masked in log output", extra={"fields": {"secret": name}})


LAST_WALL = LastWall()
