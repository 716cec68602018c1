"""What the program below the proxy hands on."""

from pathlib import Path

import pytest

from iron_proxy.errors import StartupError
from iron_proxy.github_action.holding import distrust, hold
from iron_proxy.github_action.job_folder import JobFolder


def test_without_a_proxy_variable_nothing_is_held(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="sni-only"):
        hold(JobFolder(str(tmp_path)), (), {})


def test_afterwards_variables_are_what_they_were_and_files_hold_no_ca(tmp_path: Path) -> None:
    folder = JobFolder(str(tmp_path))
    folder.create()
    bundle = folder.path / "ca.crt"
    bundle.write_text("the CA")

    told = {"HTTPS_PROXY": "http://x", "HTTP_PROXY": "http://x", "DENO_CERT": str(bundle)}
    after = distrust(folder, told, {"HTTP_PROXY": "http://corporate"})

    assert after == {"HTTP_PROXY": "http://corporate", "HTTPS_PROXY": ""}
    assert "the CA" not in bundle.read_text()
