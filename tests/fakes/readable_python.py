"""A Python that every user can read, for proxies that become another user: the one of the tests may be root's alone."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.fakes.namespaces import SOURCE

_SCRIPT = """\
set -e
aside="$1" top="$2"
shift 2
number=0
for path in {paths}; do
    number=$((number + 1))
    mkdir -p "$aside/$number"
    mount --bind "$path" "$aside/$number"
done
mount -t tmpfs -o mode=755 tmpfs "$top"
number=0
for path in {paths}; do
    number=$((number + 1))
    mkdir -p "$path"
    mount --bind "$aside/$number" "$path"
done
exec "$@"
"""


def readable_by_others(aside: Path) -> list[str]:
    """
    What to put before a command so that it finds the program and Python where they are, and other users do too.

    In a mount namespace of its own: nothing changes for anybody else. `aside` is an empty folder of the test's. Skips
    the test where it is not root's to do.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("becoming another user, and showing it this Python, needs root and unshare")
    paths = dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix), SOURCE.parent))
    closed = {top for path in paths if (top := _closed_folder(path)) is not None}
    if not closed:
        return []
    assert len(closed) == 1, "one folder is all that the script covers"
    [top] = closed
    hidden = " ".join(f"'{path}'" for path in paths if path.is_relative_to(top))
    return ["unshare", "-m", "sh", "-c", _SCRIPT.format(paths=hidden), "sh", str(aside), str(top)]


def _closed_folder(path: Path) -> Path | None:
    """The first folder on the way to a path that others cannot pass."""
    return next((each for each in reversed([path, *path.parents]) if not each.stat().st_mode & 0o001), None)
