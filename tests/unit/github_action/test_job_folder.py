"""What one step leaves for another."""

from pathlib import Path

import pytest

from iron_proxy.errors import StartupError
from iron_proxy.github_action.job_folder import JobFolder


def test_what_is_written_is_read_and_private(tmp_path: Path) -> None:
    folder = JobFolder(str(tmp_path))
    folder.create()
    assert folder.read(folder.state) is None

    folder.write(folder.state, {"pid": 1})

    assert folder.read(folder.state) == {"pid": 1}
    assert folder.state.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StartupError, match="use the action once"):
        folder.create()
