"""The process log, written into a list for one test; everything that starting it replaces is put back."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.runtime.process_log import log, start_logging


@pytest.fixture
def process_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogLines]:
    for place, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
        (logging, "lastResort"),
        (log, "handlers"),
        (log, "propagate"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    level = log.level
    lines = LogLines()
    start_logging("info", lines.written.append)
    yield lines
    log.setLevel(level)
