"""What workers build says nothing that the supervisor has said."""

import logging
import threading

from iron_proxy.workers.quiet import is_told, quiet


def record(level: int) -> logging.LogRecord:
    return logging.LogRecord("x", level, "f", 1, "m", (), None)


def test_errors_are_told_and_less_is_not_while_it_is_quiet() -> None:
    with quiet():
        assert not is_told(record(logging.WARNING))
        assert is_told(record(logging.ERROR))
    assert is_told(record(logging.DEBUG))


def test_other_threads_speak() -> None:
    told: list[bool] = []
    with quiet():
        thread = threading.Thread(target=lambda: told.append(is_told(record(logging.INFO))))
        thread.start()
        thread.join()

    assert told == [True]
