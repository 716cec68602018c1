"""A proxy that is not there is told."""

import subprocess
import sys
from pathlib import Path

from iron_proxy.github_action.job_folder import JobFolder
from iron_proxy.github_action.proxy_process import described, end


def test_a_proxy_that_has_ended_before_is_no_success(tmp_path: Path) -> None:
    folder = JobFolder(str(tmp_path))
    folder.create()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass

    assert not end(folder, ended.pid)


def test_only_what_is_set_is_described() -> None:
    assert described({"A": "1"}, ["A", "B"]) == {"A": "1"}
