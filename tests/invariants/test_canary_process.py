"""
What the process itself shows of the marked secrets: to `ps` and `lsof`, on its pages, in its log when code fails.

Also those that never go into a request: the passwords of clients and of the outbound proxy, and the CA's key.
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fresh, Processes, Running
from tests.fakes import leaky_transforms
from tests.fakes.canary import Finder
from tests.fakes.canary_world import CanaryWorld, entries, environment, process_texts
from tests.fakes.configurations import allowlist, base_config, secrets_of
from tests.fakes.echo_origin import EchoOrigin
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.outbound_proxy import FakeHTTPProxy, FakeSOCKSProxy
from tests.fakes.running_proxy import ProxyCA, RunningProxy, run_to_end, write_configuration
from tests.fakes.wire_client import Answer, Way, connect

from iron_proxy.config.loading import load_config
from iron_proxy.errors import ConfigError
from iron_proxy.runtime.process_log import JSONLines, report_loop_trouble

PAGES = ("/healthz", "/metrics", "/", "/debug/vars", "/readyz")


def test_nothing_of_the_process_that_others_can_read_holds_one(canaries: CanaryWorld) -> None:
    canaries.ask("/reply/json")

    texts = process_texts(canaries.proxy.process.pid)

    assert {place.rpartition("/")[2] for place in texts} >= {"cmdline", "comm", "status", "fd"}
    assert {place: canaries.finder.find(text) for place, text in texts.items() if canaries.finder.is_in(text)} == {}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_holds_one(canaries: CanaryWorld, page: str) -> None:
    canaries.ask("/reply/json")

    _, content = canaries.proxy.get_page(page)

    assert canaries.finder.find(content) == []


def test_the_key_of_the_ca_is_said_nowhere(canaries: CanaryWorld) -> None:
    canaries.ask("/reply/json", Way.CONNECT_TLS)
    key = b"".join(canaries.proxy.ca.key.read_bytes().splitlines()[1:-1])
    said = "".join(canaries.proxy.lines).encode()

    assert Finder({"KEY": key, "BYTES": base64.b64decode(key)}).find(said) == []


# --- code that fails with a secret in its hands ---------------------------------------------------------------------


@pytest.fixture
def leaky_configuration(internet: Internet, proxy_ca: ProxyCA, secret_files: Path) -> dict[str, Any]:
    """With a user's transform that mishandles what the secrets transform put in."""
    leaky = {"name": "python", "config": {"class": "tests.fakes.leaky_transforms:LeakyTransform"}}
    transforms = [allowlist(), secrets_of(*entries(secret_files)), leaky]
    return base_config(internet, proxy_ca, transforms=transforms, log={"level": "debug"})


def leaky_environment(marked: dict[str, bytes]) -> dict[str, str]:
    return environment(marked) | {"PYTHONPATH": str(Path(leaky_transforms.__file__).parents[2])}


@pytest.fixture
def with_leaks(
    processes: Processes, leaky_configuration: dict[str, Any], marked: dict[str, bytes], finder: Finder,
    echo_origins: tuple[EchoOrigin, EchoOrigin],
) -> Iterator[CanaryWorld]:  # fmt: skip
    """A proxy with that transform. What other proxies must never say (the oracles) it says here."""
    proxy = processes.get(leaky_configuration, leaky_environment(marked))
    world = CanaryWorld(proxy, *echo_origins, finder)
    yield world
    world.check()


def ask_for_fault(world: CanaryWorld, fault: str) -> Answer:
    """One request, and the next one: what is collected late fails by then."""
    answer = world.ask("/", headers=[(b"X-Fault", fault.encode())])
    assert world.ask("/").status == 200
    return answer


@pytest.mark.parametrize("phase", ["", "response-"], ids=["request", "response"])
@pytest.mark.parametrize("fault", leaky_transforms.FAULTS)
def test_code_that_fails_with_a_secret_does_not_tell_it(with_leaks: CanaryWorld, fault: str, phase: str) -> None:
    ask_for_fault(with_leaks, phase + fault)


@pytest.mark.parametrize("fault", leaky_transforms.ENDING)
def test_code_that_ends_the_process_with_a_secret_does_not_tell_it(
    fresh_proxy: Fresh, leaky_configuration: dict[str, Any], marked: dict[str, bytes], finder: Finder,
    echo_origins: tuple[EchoOrigin, EchoOrigin], fault: str,
) -> None:  # fmt: skip
    world = CanaryWorld(fresh_proxy(leaky_configuration, env=leaky_environment(marked)), *echo_origins, finder)

    world.ask("/", headers=[(b"X-Fault", fault.encode())])

    with contextlib.suppress(subprocess.TimeoutExpired):  # it may survive that: so much the better
        world.proxy.wait_for_exit(0.7)
    world.proxy.kill()
    assert world.hits() == []


def test_code_that_writes_a_secret_into_the_log_writes_a_mask(
    fresh_proxy: Fresh, leaky_configuration: dict[str, Any], marked: dict[str, bytes], finder: Finder,
    echo_origins: tuple[EchoOrigin, EchoOrigin],
) -> None:  # fmt: skip
    """In a process of its own: anywhere else a mask in the log fails the test."""
    world = CanaryWorld(fresh_proxy(leaky_configuration, env=leaky_environment(marked)), *echo_origins, finder)
    for fault in leaky_transforms.WRITTEN:
        lines_before = len(world.proxy.lines)

        world.ask("/", headers=[(b"X-Fault", fault.encode())])

        world.proxy.settle()
        assert "[masked:CANARY_ENV]" in "".join(world.proxy.lines[lines_before:]), fault
    world.check()


def test_asyncio_itself_tells_no_arguments_of_what_failed(marked: dict[str, bytes]) -> None:
    """Its own loop names them where uvloop does not: for platforms without one."""
    said: list[bytes] = []
    handler = JSONLines(said.append)

    def fail(*arguments: str) -> None:
        raise ValueError(arguments)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report_loop_trouble)
        loop.call_soon(fail, *(text.decode() for text in marked.values()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    logging.getLogger("iron_proxy").addHandler(handler)
    try:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(run())
    finally:
        logging.getLogger("iron_proxy").removeHandler(handler)

    assert len(said) == 1
    assert [name for name, text in marked.items() if text[:8] in said[0] or text[-8:] in said[0]] == []


# --- passwords ------------------------------------------------------------------------------------------------------

PASSWORD = b'cL6wE1yU&"4f/8a+c0=21d9b7'
PASSWORDS = Finder({"PASSWORD": PASSWORD})


def as_userinfo(password: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in password)


@pytest.mark.parametrize("given", [PASSWORD, PASSWORD[:-1] + b"8"], ids=["right", "almost right"])
def test_the_password_of_a_client_goes_nowhere(running: Running, internet: Internet, given: bytes) -> None:
    password = {"name": "agent", "password": {"type": "env", "var": "CLIENT_PASSWORD"}}
    proxy = running(clients=[password], env={"CLIENT_PASSWORD": PASSWORD.decode()}, log={"level": "debug"})
    lines_before = len(proxy.lines)
    credentials = b"Proxy-Authorization: Basic " + base64.b64encode(b"agent:" + given)
    host = proxy.authority(Way.HTTP, "ok.test").encode()

    answers = []
    for start in (b"GET http://%b/echo" % host, b"CONNECT %b" % host):
        with proxy.raw("tunnel") as session:
            proxy.started += 1
            session.send(b"%b HTTP/1.1\r\nHost: %b\r\n%b\r\n\r\n" % (start, host, credentials))
            answers.append(session.read_answer("CONNECT" if start.startswith(b"CONNECT") else "GET"))
    answers.append(Answer(body=socks_answer(proxy, given)))

    assert [PASSWORDS.find(answer.body) for answer in answers] == [[], [], []]
    assert [PASSWORDS.find(request.head) for request in proxy.arrived()] == [[]] * (given == PASSWORD)
    proxy.settle()
    assert PASSWORDS.find("".join(proxy.lines[lines_before:]).encode()) == []


def socks_answer(proxy: RunningProxy, given: bytes) -> bytes:
    """What SOCKS5 says to a user name and a password."""
    with connect(proxy.addresses["tunnel"]) as sock:
        sock.sendall(b"\x05\x01\x02")
        assert sock.recv(2) == b"\x05\x02"
        sock.sendall(b"\x01\x05agent" + bytes([len(given)]) + given)
        return sock.recv(99)


OUTBOUND: dict[str, type[FakeHTTPProxy] | type[FakeSOCKSProxy]] = {"http": FakeHTTPProxy, "socks5h": FakeSOCKSProxy}


@pytest.mark.parametrize("password_is_right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("kind", OUTBOUND)
def test_the_password_of_the_outbound_proxy_goes_only_there(
    running: Running, internet: Internet, kind: str, password_is_right: bool
) -> None:
    login = ("alice", PASSWORD.decode() if password_is_right else "another")
    fake = OUTBOUND[kind]("127.0.1.5", login=login)
    fake.leads_to["ok.test"] = ALLOWED
    internet.background.run(fake.__aenter__())
    try:
        url = f"{fake.scheme}://alice:{as_userinfo(PASSWORD)}@127.0.1.5:{fake.port}"
        proxy = running(proxy__upstream_proxy={"http_proxy": url, "https_proxy": url}, log={"level": "debug"})
        lines_before = len(proxy.lines)
        answers = [proxy.ask(way, "/echo") for way in (Way.HTTP, Way.HTTPS, Way.CONNECT_TLS)]
    finally:
        internet.background.run(fake.__aexit__())

    assert {answer.status for answer in answers} == ({200} if password_is_right else {502})
    assert [PASSWORDS.find(answer.body) for answer in answers] == [[], [], []]
    assert [PASSWORDS.find(request.head) for request in proxy.arrived()] == [[]] * len(proxy.arrived())
    proxy.settle()
    assert PASSWORDS.find("".join(proxy.lines[lines_before:]).encode()) == []
    assert all(not PASSWORDS.is_in(text) for text in process_texts(proxy.process.pid).values())


@pytest.mark.parametrize("kind", OUTBOUND)
def test_an_outbound_proxy_that_sends_its_password_back_is_not_quoted(
    running: Running, internet: Internet, kind: str
) -> None:
    fake = OUTBOUND[kind]("127.0.1.5", login=("alice", PASSWORD.decode()))
    fake.raw_reply = b"HTTP/1.1 403 not %b\r\nX-Login: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        PASSWORD, base64.b64encode(b"alice:" + PASSWORD), len(PASSWORD), PASSWORD,
    )  # fmt: skip
    internet.background.run(fake.__aenter__())
    try:
        url = f"{fake.scheme}://alice:{as_userinfo(PASSWORD)}@127.0.1.5:{fake.port}"
        proxy = running(proxy__upstream_proxy={"http_proxy": url, "https_proxy": url}, log={"level": "debug"})
        lines_before = len(proxy.lines)
        answers = [proxy.ask(way, "/echo") for way in (Way.HTTPS, Way.CONNECT_TLS)]
    finally:
        internet.background.run(fake.__aexit__())

    assert {answer.status for answer in answers} == {502}
    assert [PASSWORDS.find(answer.body) for answer in answers] == [[], []]
    proxy.settle()
    assert PASSWORDS.find("".join(proxy.lines[lines_before:]).encode()) == []


# --- starts that fail, and other commands ---------------------------------------------------------------------------

BAD_URLS = {
    "scheme": "ftp://alice:SECRET@proxy.test:1",
    "port": "http://alice:SECRET@proxy.test:99999",
    "path": "http://alice:SECRET@proxy.test/x",
    "no host": "http://alice:SECRET@",
    "bare slash": "http://alice:/SECRET@proxy.test:1",
    "bare percent": "http://alice:%ZZSECRET@proxy.test:1",
    "spaces": "http://alice:SECRET @proxy.test:1",
    "colon in the user": "http://al%3Aice:SECRET@proxy.test:1",
    "no at sign": "alice:SECRET",
}


@pytest.mark.parametrize("variable", ["", "HTTP_PROXY", "https_proxy", "NO_PROXY"], ids=["file", "http", "https", "no"])
@pytest.mark.parametrize("url", [pytest.param(url, id=name) for name, url in BAD_URLS.items()])
def test_a_url_that_cannot_be_used_is_not_repeated(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, url: str, variable: str
) -> None:
    mark = "cL6wE1yU4f8ac021d9b7"
    url = url.replace("SECRET", mark)
    if variable == "NO_PROXY" and "@" not in url:
        pytest.skip("it could be a host's name, which the error has to show")
    config = base_config(internet, proxy_ca, **({} if variable else {"proxy__upstream_proxy": {"http_proxy": url}}))
    environment = {variable: url} if variable else {}
    if variable == "NO_PROXY":  # without a proxy to go around it is not read
        environment["HTTP_PROXY"] = "http://proxy.test:1"

    with pytest.raises(ConfigError) as caught:
        load_config(str(write_configuration(tmp_path, config)), environment)

    assert Finder({"PASSWORD": mark.encode()}).find("\n".join(caught.value.problems).encode()) == []


WRONG: dict[str, dict[str, Any]] = {
    "the header's name": {"inject": {"header": "bad name"}},
    "the template": {"inject": {"header": "X-A", "formatter": "{{ .Value"}},
    "a function that is none": {"inject": {"header": "X-A", "formatter": "{{ print .Value }}"}},
    "a key that is none": {"inject": {"header": "X-A"}, "extra": 1},
    "half a character": {"inject": {"header": "X-A", "formatter": "\ud800{{ .Value }}"}},
}


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in WRONG.items()])
def test_a_configuration_that_cannot_be_used_tells_no_secret(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, marked: dict[str, bytes], finder: Finder,
    entry: dict[str, Any],
) -> None:  # fmt: skip
    source = {"type": "env", "var": "CANARY_ENV"}
    config = base_config(internet, proxy_ca, transforms=[secrets_of({"source": source, "rules": [], **entry})])

    ended = run_to_end(config, tmp_path, internet, environment(marked))

    assert ended.returncode == 2
    assert finder.find((ended.stdout + ended.stderr).encode()) == []


def test_a_variable_that_was_meant_for_another_is_not_repeated(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, marked: dict[str, bytes], finder: Finder
) -> None:
    names = ("IRON_PROXY_TOKEN", "IRON_PROXY_TOKENS", "IRON_TLS_CA_KEYS")

    ended = run_to_end(
        base_config(internet, proxy_ca), tmp_path, internet, dict.fromkeys(names, marked["ENV"].decode())
    )

    assert ended.returncode != 0
    assert finder.find((ended.stdout + ended.stderr).encode()) == []


def run_command(*arguments: str, **variables: str) -> bytes:
    """All that a command says."""
    ended = subprocess.run(
        [sys.executable, "-m", "iron_proxy", *arguments], env={**os.environ, **variables}, capture_output=True,
        timeout=20, check=False,
    )  # fmt: skip
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("form", [["--json"], []], ids=["JSON", "table"])
def test_secrets_check_tells_everything_but_the_values(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, marked: dict[str, bytes], finder: Finder, secret_files: Path,
    form: list[str],
) -> None:  # fmt: skip
    config = base_config(internet, proxy_ca, transforms=[allowlist(), secrets_of(*entries(secret_files))])
    file = tmp_path / "check.yaml"
    file.write_text(json.dumps(config))

    said = run_command("secrets", "check", "-config", str(file), *form, COLUMNS="300", **environment(marked))

    assert all(f"CANARY_{name}".encode() in said for name in ("ENV", "BASIC", "AWKWARD"))
    assert finder.find(said) == []
    assert not re.search(rb"\b(?:%b)" % b"|".join(re.escape(each[:6]) for each in marked.values()), said)
