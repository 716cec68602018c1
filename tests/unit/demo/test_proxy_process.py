import json
from pathlib import Path

import pytest

from iron_proxy.demo import proxy_process
from iron_proxy.demo.proxy_process import ProxyProcess
from iron_proxy.demo.scene import Scene
from iron_proxy.errors import StartupError

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_it_starts_tells_its_ports_and_stops() -> None:
    with Scene() as scene:
        scene.write_configuration("127.0.0.1:53")
        with ProxyProcess(scene.configuration_path, scene.origin_ca, {}) as proxy:
            ports = [proxy.port(name) for name in ("dns", "http", "https", "tunnel")]

    assert all(ports)
    assert proxy.exit_status == 0
    assert proxy.records == ()
    assert json.loads(proxy.log[-1])["msg"] == "iron-proxy stopped"


@pytest.mark.slow
def test_the_operators_own_settings_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRON_PROXY_HTTPS_LISTEN", "not an address")

    with Scene() as scene:
        scene.write_configuration("127.0.0.1:53")
        with ProxyProcess(scene.configuration_path, scene.origin_ca, {}) as proxy:
            assert proxy.addresses["https"].startswith("127.0.0.1:")


@pytest.mark.slow
def test_a_proxy_that_does_not_start_has_its_last_words_told(tmp_path: Path) -> None:
    configuration = tmp_path / "proxy.yaml"
    configuration.write_text("prox: {}\n")

    with pytest.raises(StartupError, match=r"(?s)the proxy did not start; it said:.*proxy\.yaml:1: prox"):
        ProxyProcess(configuration, tmp_path / "ca.crt", {}).__enter__()


def test_a_proxy_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_process, "START_TIMEOUT", 0.0)

    with Scene() as scene:
        scene.write_configuration("127.0.0.1:53")
        proxy = ProxyProcess(scene.configuration_path, scene.origin_ca, {})
        with pytest.raises(StartupError, match="did not start within 0 s"):
            proxy.__enter__()

    assert proxy.exit_status is not None


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    with pytest.raises(StartupError, match="could not be started: no such file or directory"):
        ProxyProcess(tmp_path / "proxy.yaml", tmp_path / "ca.crt", {}).__enter__()


@pytest.mark.slow
def test_a_reload_is_told_by_a_record_and_one_that_does_not_come_is_not_waited_for_after_the_end() -> None:
    with Scene() as scene:
        scene.write_configuration("127.0.0.1:53")
        with ProxyProcess(scene.configuration_path, scene.origin_ca, {}) as proxy:
            proxy.reload()
            record = proxy.wait_for_record(lambda each: each.get("event") == "reload", 30.0)

    assert record["action"] == "allow"
    with pytest.raises(TimeoutError, match="has written no such record"):
        proxy.wait_for_record(lambda each: each.get("event") == "nothing", 600.0)
