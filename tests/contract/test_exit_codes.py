"""Exit codes: 0 a normal stop, 1 a failure at start or later, 2 usage or configuration."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, run_to_end


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iron_proxy", *arguments], capture_output=True, text=True, check=False, timeout=10
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_by_signal_is_0(fresh_proxy: Fresh, number: signal.Signals) -> None:
    proxy = fresh_proxy()

    proxy.process.send_signal(number)

    assert proxy.wait_for_exit() == 0


def test_a_port_in_use_is_1(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = base_config(internet, proxy_ca, proxy__http_listen=f"127.0.0.1:{taken.getsockname()[1]}")

        ended = run_to_end(config, tmp_path, internet)

    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_ca_that_cannot_be_read_is_1(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA) -> None:
    config = base_config(internet, proxy_ca, tls={"ca_cert": str(tmp_path / "no.crt"), "ca_key": str(proxy_ca.key)})

    assert run_to_end(config, tmp_path, internet).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-foo"], "flag provided but not defined: -foo"),
        (["-config", "/nonexistent.yaml"], "/nonexistent.yaml"),
        (["nonsense"], "nonsense"),
        (["-token", "x", "-config", "/dev/null"], "token"),
        (["-config"], "config"),
    ],
    ids=["unknown flag", "no such file", "unknown command", "a mode that is not there", "flag without a value"],
)
def test_wrong_usage_is_2(arguments: list[str], complaint: str) -> None:
    ended = run(*arguments)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_a_configuration_with_mistakes_is_2_and_tells_them_all(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    config = base_config(
        internet, proxy_ca, log={"level": "loud"}, proxy__http_listne="x", transforms=[{"name": "nope"}]
    )

    ended = run_to_end(config, tmp_path, internet)

    assert ended.returncode == 2
    assert all(word in ended.stderr for word in ("loud", "http_listne", "nope"))


@pytest.mark.parametrize("flag", ["version", "--version", "-v"])
def test_the_version_is_0_and_on_stdout(flag: str) -> None:
    ended = run(flag)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()


@pytest.mark.parametrize("flag", ["-h", "-help", "--help"])
def test_help_is_0(flag: str) -> None:
    assert run(flag).returncode == 0
