"""A proxy whose audit log is what a test is about: its standard error may go unread, its file is read instead."""

import json
import threading
from pathlib import Path
from typing import Any

from tests.fakes.internet import Internet
from tests.fakes.running_proxy import Configuration, Line, ProxyCA, RunningProxy, request
from tests.fakes.wire_client import Way

# So long that a thousand records are megabytes.
_PADDING = "x" * 8000


class AuditedProxy(RunningProxy):
    """`may_read` is cleared to stop reading standard error behind the line that says that it serves."""

    def __init__(
        self, configuration: Configuration, directory: Path, internet: Internet, ca: ProxyCA, *, reads: bool = True
    ) -> None:
        super().__init__(configuration, directory, internet, ca)
        self.may_read = threading.Event()
        if reads:
            self.may_read.set()

    def _collect(self) -> None:
        stderr = self.process.stderr
        assert stderr is not None
        raw = b""
        while b'"iron-proxy starting"' not in raw and (raw := stderr.readline()):
            self._note(raw)
        self.may_read.wait()
        super()._collect()

    def _note(self, raw: bytes) -> None:
        with self._arrived:
            self.lines.append(raw.decode("utf-8"))
            self._arrived.notify_all()

    def kill(self) -> None:
        self.may_read.set()
        super().kill()

    def get(self, name: str, *, large: bool = False) -> int:
        """The status of one request for a path of its own; with `large` its record has 8 KB."""
        path = f"/id/{name}{'/' + _PADDING if large else ''}"
        with self.open(Way.HTTP, "ok.test") as session:
            session.send(request(path, self.authority(Way.HTTP, "ok.test")))
            return session.read_answer().status


def records_in(path: Path) -> list[Line]:
    """The records of requests in a file, whole lines only."""
    return [line for line in lines_in(path) if line["msg"] == "request"]


def lines_in(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a file."""
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def names_in(records: list[Line]) -> set[str]:
    """The names that were given to `get`, of records."""
    return {record["path"].split("/")[2] for record in records}
