"""
The real program, in a process of its own, started as an operator would start it; for `demo`, `doctor` and `testing`.

Its log is its only way of speaking: which ports it got, when it is ready, and the audit record of each request.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Self

from iron_proxy.errors import StartupError, system_reason

# Half a second is usual; a machine that is busy with other things gets this much.
START_TIMEOUT = 15.0
# A stop with no connections open takes milliseconds. After this it is killed, which the report calls a surprise.
STOP_TIMEOUT = 5.0

_READY = "iron-proxy starting"
_STARTING = {
    "http proxy starting": "http",
    "https proxy starting": "https",
    "tunnel proxy starting": "tunnel",
    "dns server starting": "dns",
}
# The proxy sees no more of our environment than it needs: an IRON_* variable of the operator's would change what the
# demo shows.
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "VIRTUAL_ENV")


class ProxyProcess:
    """A running proxy. A context manager: entering waits until it serves, leaving stops it."""

    def __init__(
        self, configuration: Path, origin_ca: Path | None, secrets: Mapping[str, str], folder: Path | None = None
    ) -> None:
        """
        `origin_ca`: upstreams are met with these roots alone; None leaves the proxy its own. `secrets`: variables
        that it gets besides the few it needs. `folder`: where it runs, if not beside its configuration.
        """
        self._folder = folder or configuration.parent
        # -P: the current folder is no place to import from.
        self._command = [sys.executable, "-P", "-m", "iron_proxy", "-config", str(configuration)]
        self._environment = _environment(origin_ca, secrets)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read_log, name="demo proxy log", daemon=True)
        self._changed = threading.Condition()
        self._is_ready = self._has_ended = False
        self._log: list[str] = []
        self._records: list[dict[str, Any]] = []
        self.addresses: dict[str, str] = {}  # ip:port by listener
        self.exit_status: int | None = None

    @property
    def log(self) -> tuple[str, ...]:
        """Every line it has written so far."""
        return tuple(self._log)

    @property
    def all_records(self) -> tuple[dict[str, Any], ...]:
        """What of that is JSON: lines of the process log, and audit records of requests and events."""
        return tuple(self._records)

    @property
    def records(self) -> tuple[dict[str, Any], ...]:
        """The audit records of requests among them; complete once the process has been stopped."""
        return tuple(record for record in self._records if record.get("msg") == "request")

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise StartupError(f"the proxy could not be started: {system_reason(error)}") from error
        self._reader.start()
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def port(self, listener: str) -> int:
        """The port that a listener got."""
        return int(self.addresses[listener].rpartition(":")[2])

    def wait_for_record(self, wanted: Callable[[dict[str, Any]], bool], timeout: float) -> dict[str, Any]:
        """
        The first line of its log, audit records included, that is wanted; it may be there already.

        Raises TimeoutError, at once when the process has ended without one.
        """
        seen, deadline = 0, monotonic() + timeout
        with self._changed:
            while True:
                for record in self._records[seen:]:
                    if wanted(record):
                        return record
                seen = len(self._records)
                if self._has_ended or not self._changed.wait(max(0.0, deadline - monotonic())):
                    raise TimeoutError("the proxy has written no such record")

    def reload(self) -> None:
        """Ask it to read its configuration again; a record of the event `reload` tells what came of it."""
        assert self._process is not None  # noqa: S101 - for the type checker: it has been entered
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ask it to stop, make it if it does not, and read its log to the end. Twice does no harm."""
        process = self._process
        if process is None or self.exit_status is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
        self.exit_status = process.wait()
        self._reader.join()
        assert process.stderr is not None  # noqa: S101 - for the type checker: it was opened as a pipe
        process.stderr.close()

    def _wait_ready(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_ready or self._has_ended, START_TIMEOUT):
                raise StartupError(f"the proxy did not start within {START_TIMEOUT:.0f} s{self._last_words()}")
        if not self._is_ready:
            raise StartupError(f"the proxy did not start{self._last_words()}")

    def _last_words(self) -> str:
        return "; it said:\n" + "\n".join(self._log[-5:]) if self._log else " and said nothing"

    def _read_log(self) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker: the thread starts after the process
        assert self._process.stderr is not None  # noqa: S101 - the same
        for line in self._process.stderr:
            with self._changed:
                self._take(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        self._log.append(line)
        try:
            record = json.loads(line)
        except ValueError:
            return  # a usage error, or an interpreter's traceback
        self._records.append(record)
        if record.get("msg") in _STARTING:
            self.addresses[_STARTING[record["msg"]]] = record["addr"]
        elif record.get("msg") == _READY:
            self._is_ready = True


def _environment(origin_ca: Path | None, secrets: Mapping[str, str]) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # It imports what we import, however this program came to be installed.
    environment["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)
    if origin_ca is not None:
        environment["SSL_CERT_FILE"] = str(origin_ca)
    return {**environment, **secrets}
