"""The process log as a list of lines. The fixture `process_log` (tests/conftest.py) fills it."""

import json
from typing import Any


class LogLines:
    """What the process log has said."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written]

    @property
    def messages(self) -> list[str]:
        return [line["msg"] for line in self.lines]

    def said(self, message: str) -> dict[str, Any]:
        """The one line with this message."""
        [line] = [line for line in self.lines if line["msg"] == message]
        return line
