"""One JSON object a line, whoever speaks; names and places of foreign errors, and never their text."""

import asyncio
import gc
import logging
import sys
import threading
import warnings

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.runtime.process_log import log, report, report_loop_trouble, start_logging


def failure() -> ValueError:
    """An error with a traceback, whose text must not be seen."""
    try:
        raise ValueError("Authorization: Bearer sk-real")
    except ValueError as error:
        return error


def test_a_line_has_time_level_message_and_fields(process_log: LogLines) -> None:
    report(logging.INFO, "http proxy starting", addr="127.0.0.1:80")

    [line] = process_log.lines
    assert list(line) == ["time", "level", "msg", "addr"]
    assert (line["level"], line["msg"], line["addr"]) == ("INFO", "http proxy starting", "127.0.0.1:80")
    assert line["time"].endswith("Z")
    assert process_log.written[0].endswith(b"}\n")


def test_other_loggers_of_ours_write_there_too(process_log: LogLines) -> None:
    logging.getLogger("iron_proxy.certs").warning("ca expires soon", extra={"fields": {"days": 3}})

    line = process_log.said("ca expires soon")
    assert (line["level"], line["days"]) == ("WARN", 3)


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("debug", ["DEBUG", "INFO", "WARN", "ERROR"]),
        ("info", ["INFO", "WARN", "ERROR"]),
        ("warn", ["WARN", "ERROR"]),
        ("error", ["ERROR"]),
        ("no such level", ["INFO", "WARN", "ERROR"]),
    ],
)
def test_the_level_says_what_is_written(process_log: LogLines, level: str, words: list[str]) -> None:
    start_logging(level, process_log.written.append)

    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        report(number, "something")

    assert [line["level"] for line in process_log.lines] == words


def test_a_field_that_json_cannot_hold_is_written_as_text(process_log: LogLines) -> None:
    report(logging.INFO, "odd", where=complex(1, 2))

    assert process_log.said("odd")["where"] == "(1+2j)"


def test_a_log_that_cannot_be_written_is_no_reason_to_fail(process_log: LogLines) -> None:
    def fail(line: bytes) -> None:
        raise BrokenPipeError

    start_logging("info", fail)

    report(logging.INFO, "nobody reads this")


def test_a_line_is_one_line_whatever_it_holds(process_log: LogLines) -> None:
    report(logging.INFO, "two\nlines", field="a\nb")

    assert process_log.written[0].count(b"\n") == 1
    assert process_log.lines[0]["field"] == "a\nb"


def test_a_crash_is_a_line_with_places_and_without_its_text(process_log: LogLines) -> None:
    error = failure()

    sys.excepthook(type(error), error, error.__traceback__)

    line = process_log.said("internal error")
    assert (line["level"], line["error"]) == ("ERROR", "ValueError")
    assert line["trace"][0].startswith("test_process_log.py:")
    assert line["trace"][0].endswith(" failure")
    assert b"sk-real" not in b"".join(process_log.written)


def test_a_crash_of_a_thread_is_such_a_line_too(process_log: LogLines) -> None:
    error = failure()

    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))

    assert process_log.said("internal error")["error"] == "ValueError"


def test_an_error_that_nobody_can_catch_is_such_a_line_too(process_log: LogLines) -> None:
    class Dying:
        def __del__(self) -> None:
            raise failure()

    Dying()
    gc.collect()

    assert process_log.said("internal error")["error"] == "ValueError"
    assert b"sk-real" not in b"".join(process_log.written)


def test_a_warning_is_a_line_with_its_place_and_without_its_text(process_log: LogLines) -> None:
    warnings.showwarning(UserWarning("sk-real"), UserWarning, "library.py", 7)

    line = process_log.said("python warning")
    assert (line["level"], line["category"], line["place"]) == ("WARN", "UserWarning", "library.py:7")
    assert b"sk-real" not in process_log.written[0]


async def test_the_loops_complaints_are_lines(process_log: LogLines) -> None:
    loop = asyncio.get_running_loop()

    report_loop_trouble(loop, {"message": "Task exception was never retrieved", "exception": failure()})
    report_loop_trouble(loop, {"message": "Exception in callback fail('sk-real')"})

    with_error, without = process_log.lines
    assert with_error["msg"] == without["msg"] == "event loop error"
    assert (with_error["reason"], with_error["error"]) == ("Task exception was never retrieved", "ValueError")
    assert (without["reason"], "error" in without) == ("Exception in callback fail", False)
    assert b"sk-real" not in b"".join(process_log.written)


def test_libraries_do_not_print(
    process_log: LogLines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    logging.getLogger("somebody.else").error("sk-real")

    assert capsys.readouterr().err == ""
    assert not log.propagate
