"""What `make dist` and `make pex` made, installed as users install it: each in an environment of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
TOOLS = [ROOT / ".venv-release" / "bin", Path(sys.executable).parent]
PYTHONS = ("3.11", "3.13")

NEEDED = pytest.mark.skipif(
    "INSTALLED" not in os.environ, reason="needs a mirror of packages and minutes: make test-installed"
)


class Installation(NamedTuple):
    """A command that is there, and the interpreter behind it."""

    command: Path
    python: Path
    environment: dict[str, str]

    def run(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end, in a folder that has nothing to do with this project."""
        return subprocess.run(
            [self.command, *arguments], cwd=folder, env=clean_environment(**self.environment),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


# How a machine says where its mirrors of packages are, and whom to trust there.
_KEPT = ("PIP_", "UV_", "SSL_CERT", "HOME", "LANG")


def clean_environment(**more: str) -> dict[str, str]:
    """Neither the environment nor the path of this project: only what leads to a mirror of packages."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    return {**kept, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **more}


def interpreter(version: str) -> str:
    """The Python of a version. Skips where it is not installed."""
    found = subprocess.run(
        [f"python{version}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
    ) if shutil.which(f"python{version}") else None  # fmt: skip
    if found is None or found.returncode != 0:
        pytest.skip(f"python{version} is not installed")
    return found.stdout.strip()


def artefact(pattern: str) -> Path:
    """The one file of `dist/`. Raises ValueError where there is none, or a second."""
    (found,) = DIST.glob(pattern)
    return found


def in_environment(folder: Path, version: str, *what: str) -> Installation:
    """What `pip install` makes in a new virtual environment. Skips where no mirror answers."""
    subprocess.run([interpreter(version), "-m", "venv", folder], check=True, env=clean_environment())
    pip(folder, *what)
    return Installation(folder / "bin" / "iron-proxy", folder / "bin" / "python", {})


def pip(folder: Path, *what: str) -> None:
    """Install more there. Skips where no mirror answers."""
    done = subprocess.run(
        [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *what],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "NewConnectionError" in done.stderr or "Temporary failure in name resolution" in done.stderr:
        pytest.skip("no mirror of packages can be reached")
    assert done.returncode == 0, done.stderr


def single_file(folder: Path, version: str) -> Installation:
    """The file of `make pex`, which unpacks itself below `folder`."""
    python = interpreter(version)
    return Installation(artefact("*.pex"), Path(python), {"PEX_ROOT": str(folder), "PEX_PYTHON": python})
