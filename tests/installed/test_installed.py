"""The wheel, the sdist and the single file do, where they are installed, what the tests see them do here."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.otlp_collector import HTTPCollector
from tests.fakes.running_proxy import ProxyCA, RunningProxy, write_configuration
from tests.fakes.wire_client import Way
from tests.installed.installations import (
    NEEDED,
    PYTHONS,
    Installation,
    artefact,
    clean_environment,
    in_environment,
    interpreter,
    pip,
    single_file,
)

from iron_proxy.version import __version__

pytestmark = NEEDED

KINDS: dict[str, Callable[[Path, str], Installation]] = {
    "wheel": lambda folder, version: in_environment(folder, version, str(artefact("*.whl"))),
    "sdist": lambda folder, version: in_environment(folder, version, str(artefact("*.tar.gz"))),
    "pex": single_file,
}
# The sdist once: what it builds is the wheel.
CASES = [(kind, version) for kind in KINDS for version in (PYTHONS if kind != "sdist" else PYTHONS[:1])]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    kind, version = request.param
    return KINDS[kind](tmp_path_factory.mktemp(kind) / "environment", version)


def test_it_tells_its_version(installed: Installation, tmp_path: Path) -> None:
    done = installed.run("version", folder=tmp_path)

    assert (done.stdout, done.stderr, done.returncode) == (f"{__version__}\n", "", 0)


def test_the_demo_runs(installed: Installation, tmp_path: Path) -> None:
    done = installed.run("demo", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "requests went as they should" in done.stdout


def test_it_makes_a_configuration_and_a_ca_and_checks_them(installed: Installation, tmp_path: Path) -> None:
    # `init` reads the presets and `schema` the schema: files in the package that are no Python.
    made = installed.run("init", "-preset", "pip", folder=tmp_path)
    schema = installed.run("schema", folder=tmp_path)

    assert made.returncode == 0, made.stderr
    assert '"$schema"' in schema.stdout
    checked = installed.run("check", "-config", "iron-proxy.yaml", "-no-files", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_serves_a_request_and_the_dashboard(
    installed: Installation, tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    management = {"listen": "127.0.0.1:0", "api_key_env": "KEY"}
    configuration = base_config(internet, proxy_ca, management=management)
    proxy = started(installed, tmp_path, configuration, internet, proxy_ca, KEY="a-key-of-some-length")
    try:
        assert [proxy.ask(way).status for way in (Way.HTTP, Way.HTTPS, Way.CONNECT_TLS)] == [200] * 3
        assert proxy.ask(Way.HTTP, host="other.test").status == 403
        with proxy.raw("management") as session:
            session.send(b"GET /dashboard/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert session.read_answer("GET").status == 200
        proxy.ask_to_stop()
        proxy.stop()
    finally:
        proxy.kill()


def test_the_extra_for_opentelemetry_is_asked_for_and_then_exports(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    wheel = str(artefact("*.whl"))
    installed = in_environment(tmp_path / "environment", PYTHONS[0], wheel)
    file = write_configuration(tmp_path, base_config(internet, proxy_ca))
    with HTTPCollector() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        refused = Installation(installed.command, installed.python, endpoint).run("-config", str(file), folder=tmp_path)
        assert refused.returncode != 0
        assert "pip install 'iron-proxy[otel]'" in refused.stderr

        pip(tmp_path / "environment", f"{wheel}[otel]")
        proxy = started(installed, tmp_path, base_config(internet, proxy_ca), internet, proxy_ca, **endpoint)
        try:
            proxy.ask(Way.HTTP)
            proxy.ask_to_stop()
            proxy.stop()
        finally:
            proxy.kill()

    assert len(collector.records()) == 1


TOO_OLD = "3.10"


def test_pip_on_a_python_that_is_too_old_says_which_is_needed(tmp_path: Path) -> None:
    subprocess.run([interpreter(TOO_OLD), "-m", "venv", tmp_path], check=True, env=clean_environment())

    done = subprocess.run(
        [tmp_path / "bin" / "pip", "install", "--no-deps", "--disable-pip-version-check", artefact("*.whl")],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert f"'iron-proxy' requires a different Python: {TOO_OLD}" in done.stderr
    assert "not in '>=3.11'" in done.stderr
    assert not (tmp_path / "bin" / "iron-proxy").exists()


def test_the_single_file_on_a_python_that_is_too_old_says_which_are_needed(tmp_path: Path) -> None:
    ended = single_file(tmp_path, TOO_OLD).run("version", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Version matches CPython==3.11.*" in ended.stderr


def started(
    installed: Installation, folder: Path, configuration: dict[str, object], internet: Internet, ca: ProxyCA,
    **more: str,
) -> RunningProxy:  # fmt: skip
    """This installation's process, in the surroundings of all other tests."""
    proxy = RunningProxy(configuration, folder, internet, ca, {**installed.environment, **more})
    proxy.command = [str(installed.command), "-config", str(proxy.file)]
    try:
        return proxy.start(cwd=folder)
    except BaseException:
        proxy.kill()
        raise
