"""
The folder of a job, `$RUNNER_TEMP/iron-proxy-job`: where `start`, `hold` and `stop` leave things for each other.

It outlives the steps. No private key is in it at any time: that stays in the memory of the proxy.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iron_proxy.errors import StartupError, system_reason


class JobFolder:
    """Paths, and what is written to them as a whole."""

    def __init__(self, runner_temp: str) -> None:
        self.path = Path(runner_temp, "iron-proxy-job")
        self.audit = self.path / "audit.jsonl"
        self.summary = self.path / "summary.json"
        self.log = self.path / "proxy.log"
        self.stop = self.path / "stop"  # a FIFO: whoever opens it for writing ends the proxy
        self.variables = self.path / "variables.json"
        self.state = self.path / "state.json"

    def create(self) -> None:
        """Raises StartupError where it is there already."""
        try:
            self.path.mkdir(mode=0o755)
            os.mkfifo(self.stop, 0o600)
        except FileExistsError:
            raise StartupError(
                f"{self.path} is there already: the proxy was started before in this job; use the action once"
            ) from None
        except OSError as error:
            raise StartupError(f"creating {self.path}: {system_reason(error)}") from error

    def read(self, path: Path) -> dict[str, Any] | None:
        """What `write` has written; None where nothing was."""
        try:
            content = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """In one step, for this user alone: the proxy's password is among the variables."""
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(content, file)
        partial.rename(path)
