"""
Programs from PyPI, each in a virtual environment of its own under a cache folder: their dependencies never meet ours.

`scripts/install-rivals` makes the environments; nothing is installed from here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """A command of a package."""

    package: str
    path: Path

    def missing(self) -> str | None:
        """How to get it, in one sentence; None when it is there."""
        return None if os.access(self.path, os.X_OK) else f"{self.package} is not installed: scripts/install-rivals"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the environments are, as the XDG base directory specification has it."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/")) / ".cache"
    return Path(cache) / "iron-proxy-bench"


def program(package: str, command: str) -> Program:
    """That command of that package, installed or not."""
    return Program(package, cache_folder() / package / "bin" / command)
