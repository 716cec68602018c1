"""The sdist and the wheel of this tree, built by `scripts/dist` from a copy of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Any moment, as long as it is not that of the files.
EPOCH = "1700000000"


def tracked() -> list[str]:
    """What git has, or would have with the next commit. Skips where this is no clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone of the repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).exists())


def build(folder: Path, *, umask: int, modified: int) -> Path:
    """
    Copy the tree into `folder` and build it there. Returns the folder of what was built.

    The copies differ in what must not matter: where they are, when their files changed, and who may read them.
    """
    for name in tracked():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        executable = os.access(ROOT / name, os.X_OK)
        target.chmod((0o777 if executable else 0o666) & ~umask)
        os.utime(target, (modified, modified))
    subprocess.run(
        ["bash", "-c", f'umask {umask:03o}; exec "$@"', "build", folder / "scripts" / "dist"],
        env={**os.environ, "PYTHON": sys.executable, "SOURCE_DATE_EPOCH": EPOCH}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return folder / "dist"
