"""What is to be told of a configuration the supervisor tells, once; what workers build of it says the same again."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_quiet_threads: set[int] = set()


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing below an error is logged by this thread."""
    thread = threading.get_ident()
    _quiet_threads.add(thread)
    try:
        yield
    finally:
        _quiet_threads.discard(thread)


def is_told(record: logging.LogRecord) -> bool:
    """For `logging.Handler.addFilter`."""
    return record.levelno >= logging.ERROR or record.thread not in _quiet_threads
