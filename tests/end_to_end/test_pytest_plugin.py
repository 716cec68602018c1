"""The plugin in runs of pytest of their own, with no other plugin that happens to be installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

PLUGIN = "iron_proxy.testing.plugin"
EXAMPLE = ROOT / "examples" / "pytest-egress"
HEAD = "import os, socket, subprocess, urllib.request, pytest\n"

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def run_pytest(folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT / "src")}
    environment = {name: text for name, text in environment.items() if not name.startswith("PYTEST_XDIST")}
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return outcome.returncode, outcome.stdout + outcome.stderr


def project(folder: Path, tests: str, settings: str = "") -> Path:
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    (folder / "test_it.py").write_text(HEAD + tests)
    return folder


def test_the_example_passes() -> None:
    status, output = run_pytest(EXAMPLE)

    assert status == 0, output
    assert "1 passed" in output


def test_the_examples_other_test_fails_though_the_program_swallows_the_error() -> None:
    status, output = run_pytest(EXAMPLE, "unexpected_egress.py")

    assert status == 1, output
    assert "GET https://telemetry.example.com/v1/started" in output
    assert '@pytest.mark.egress("telemetry.example.com")' in output


def test_what_is_reached_for_past_the_proxy_is_refused_and_told(tmp_path: Path) -> None:
    tests = """
def reach(address):
    with pytest.raises(OSError, match="egress guard refused"):
        socket.create_connection(address)
def test_address(egress_guard): reach(("192.0.2.1", 5432))
def test_name(egress_guard): reach(("b.test", 443))
def test_datagram(egress_guard):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, pytest.raises(OSError, match="egress guard"):
        s.sendto(b"x", ("192.0.2.2", 53))
@pytest.mark.egress("192.0.2.0/24")
def test_allowed():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        try: s.connect(("192.0.2.3", 53))
        except OSError as error: assert "egress guard" not in str(error)
def test_unguarded():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", 9))
"""
    status, output = run_pytest(project(tmp_path, tests), "--egress-report")

    assert status == 1, output
    assert "3 failed, 2 passed" in output
    assert "direct connection to 192.0.2.1 port 5432" in output
    assert "lookup of b.test port 443" in output
    assert "192.0.2.2:53  0 allowed, 1 refused, in 1 test" in output
    assert "192.0.2.3:53  1 allowed, 0 refused, in 1 test" in output


def test_markers_change_the_policy_of_one_test_and_the_environment_comes_back(tmp_path: Path) -> None:
    tests = """
import http.client
def status(proxy, host):
    c = http.client.HTTPConnection(proxy.address("tunnel"), timeout=30)
    c.request("GET", f"http://{host}/x", headers={"Host": host}); r = c.getresponse(); r.close(); c.close()
    return r.status
def variables(): return {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
before = variables()
@pytest.mark.egress("nx.invalid")
def test_marked(egress_guard):
    assert os.environ["HTTPS_PROXY"] == egress_guard.url
    assert status(egress_guard, "nx.invalid") != 403
def test_after(egress_guard): assert status(egress_guard, "nx.invalid") == 403
def test_unguarded(): assert variables() == before
"""
    project(tmp_path, tests)

    status, output = run_pytest(tmp_path, "-rA")

    assert status == 1, output
    assert "PASSED test_it.py::test_marked" in output
    assert "FAILED test_it.py::test_after" in output
    assert "PASSED test_it.py::test_unguarded" in output


def test_a_line_that_is_no_host_is_told_with_the_remedy(tmp_path: Path) -> None:
    tests = "def test_it(egress_guard): pass\n"

    status, output = run_pytest(project(tmp_path, tests, "egress_allow =\n    https://a.test/x"))

    assert status == 1, output
    assert 'egress_allow: "https://a.test/x": a host without scheme and path is wanted' in output


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_a_run_is_recorded_and_the_rules_allow_it(tmp_path: Path, workers: tuple[str, ...]) -> None:
    tests = """
@pytest.mark.parametrize("n", [1, 2])
def test_it(n):
    try: urllib.request.urlopen(f"http://nx.invalid/v1/{'ab'[n - 1]}", timeout=30)
    except OSError as error: assert getattr(error, "code", 0) != 403
"""
    project(tmp_path, tests, "egress_guard = true\negress_rules = egress.yaml")

    status, output = run_pytest(tmp_path, "--egress-record=egress.yaml", *workers)
    assert status == 0, output
    text = (tmp_path / "egress.yaml").read_text()
    status, output = run_pytest(tmp_path, *workers)

    assert status == 0, output
    assert '- host: "nx.invalid"' in text
