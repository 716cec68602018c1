"""
The pytest plugin around the clients that programs use: an allowed host answers, a refused one fails the test.

The names lead to an origin on this machine (`tests/fakes/run_world.py`), whose CA comes by SSL_CERT_FILE.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.run_world import RunWorld

pytestmark = [pytest.mark.end_to_end, pytest.mark.root, pytest.mark.slow]

PLUGIN = "iron_proxy.testing.plugin"
# What each client does with a URL; the status, and the body as text.
CLIENTS = {
    "requests": """
import requests

def get(url):
    with requests.get(url, timeout=30) as answer:
        return answer.status_code, answer.text
""",
    "httpx": """
import httpx

def get(url):
    answer = httpx.get(url, timeout=30)
    return answer.status_code, answer.text
""",
    "aiohttp": """
import asyncio
import aiohttp

async def fetch(url):
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as answer:
        return answer.status, await answer.text()

def get(url):
    return asyncio.run(fetch(url))
""",
    "urllib": """
import urllib.error
import urllib.request

def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""
""",
}
TESTS = """
import pytest
from client import get

@pytest.mark.egress("example.com")
def test_allowed(): assert get("https://example.com/open") == (200, "open\\n")

@pytest.mark.egress("example.com")
def test_another_host():
    try: assert get("https://www.example.com/v1/started")[0] == 403
    except OSError: pass

def test_by_a_rule(): assert get("https://api.example.com/allowed/a")[0] == 401

def test_past_the_rule(): get("https://api.example.com/other")

def test_in_plain(egress_guard):
    try: get("http://other.test/plain")
    except OSError: pass
"""
RULES = """
rules:
  - host: api.example.com
    methods: [GET]
    paths: ["/allowed/*"]
"""


def run_pytest(world: RunWorld, folder: Path, *arguments: str) -> tuple[int, str]:
    """A run of its own in the world, with no plugin but ours."""
    environment = {**world.environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*world.namespace.prefix(dns=True), sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider",
         "-rA", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def project(folder: Path, client: str, tests: str) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\negress_guard = true\negress_rules = egress.yaml\n")
    (folder / "egress.yaml").write_text(RULES)
    (folder / "client.py").write_text(client)
    (folder / "test_it.py").write_text(tests)
    return folder


def outcomes_in(output: str) -> dict[str, str]:
    """Of each test, by the lines of `-rA`."""
    lines = [line.split(" ") for line in output.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR"))]
    return {words[1].removeprefix("test_it.py::"): words[0] for words in lines}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_client_gets_what_is_allowed_and_fails_the_test_for_the_rest(
    client: str, run_world: RunWorld, tmp_path: Path
) -> None:
    seen = run_world.mark()

    status, output = run_pytest(run_world, project(tmp_path, CLIENTS[client], TESTS))

    assert status == 1, output
    assert outcomes_in(output) == {
        "test_allowed": "PASSED", "test_by_a_rule": "PASSED", "test_another_host": "FAILED",
        "test_past_the_rule": "FAILED", "test_in_plain": "FAILED",
    }, output  # fmt: skip
    for told in (
        "  GET https://www.example.com/v1/started\n",
        "  GET https://api.example.com/other\n",
        "  GET http://other.test/plain\n",
        '@pytest.mark.egress("www.example.com")',
    ):
        assert told in output
    arrived = {(request["host"], request["path"]) for request in run_world.arrived(seen)}
    assert arrived == {("example.com", "/open"), ("api.example.com", "/allowed/a")}


DIRECT_TESTS = """
import pytest
from client import get

@pytest.mark.egress("example.com")
def test_allowed(): assert get("https://example.com/open") == (200, "open\\n")

def test_another_host():
    with pytest.raises(OSError): get("https://www.example.com/v1/started")

def test_by_a_rule():
    with pytest.raises(OSError): get("https://api.example.com/allowed/a")
"""


def test_a_client_that_knows_of_no_proxy_is_refused_where_it_connects(run_world: RunWorld, tmp_path: Path) -> None:
    """aiohttp without `trust_env`: of what goes past the proxy, nobody sees whether a rule about paths is kept."""
    client = CLIENTS["aiohttp"].replace("trust_env=True", "")
    seen = run_world.mark()

    status, output = run_pytest(run_world, project(tmp_path, client, DIRECT_TESTS))

    assert status == 1, output
    assert outcomes_in(output) == {
        "test_allowed": "PASSED", "test_another_host": "FAILED", "test_by_a_rule": "FAILED",
    }, output  # fmt: skip
    assert "lookup of www.example.com port 443" in output
    assert "direct connection to api.example.com port 443" in output
    assert {request["host"] for request in run_world.arrived(seen)} == {"example.com"}


def test_a_recorded_run_of_real_clients_is_allowed_by_its_rules(run_world: RunWorld, tmp_path: Path) -> None:
    tests = "".join(
        f"from client_{name} import get as get_{name}\n"
        f"def test_{name}(): assert get_{name}('https://example.com/{name}')[0] == 200\n"
        for name in CLIENTS
    )
    folder = project(tmp_path, "", tests)
    for name, client in CLIENTS.items():
        (folder / f"client_{name}.py").write_text(client)

    recorded, output = run_pytest(run_world, folder, "--egress-record=egress.yaml")
    assert recorded == 0, output
    rules = (folder / "egress.yaml").read_text()
    again, output = run_pytest(run_world, folder)

    assert again == 0, output
    assert [f'- "/{name}"' in rules for name in CLIENTS] == [True] * len(CLIENTS)
