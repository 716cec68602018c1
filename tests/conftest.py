"""Fixtures that every folder uses. Those that start processes are lazy: unit tests pay for none of them."""

import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import trustme
from hypothesis import settings
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.log_lines import LogLines
from tests.fakes.running_proxy import Configuration, ProxyCA, RunningProxy

from iron_proxy.runtime.process_log import log, start_logging

# An example may take as long as it takes: where tests run side by side, a pause of the machine is no failure. Each run
# tries the same examples, so that none fails for a change it has nothing to do with; SEARCH=1 looks for new ones.
settings.register_profile("iron-proxy", deadline=None, derandomize="SEARCH" not in os.environ)
settings.load_profile("iron-proxy")


def pytest_configure() -> None:
    """`nohup make test &` starts it with these ignored, and whatever the tests start would inherit that."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Thousands of tests are hundreds of thousands of objects: the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """For scripts/failed-tests, which has to know whether the list of failures is the whole list."""
    cache = getattr(session.config, "cache", None)         # there is none with `-p no:cacheprovider`
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("iron-proxy/ended", int(exitstatus))


@pytest.fixture(autouse=True)
def process_log_as_before() -> Iterator[None]:
    """Logging that a test starts in this process, and leaves on, would change what the tests after it see."""
    before = (log.handlers[:], log.level, log.propagate)
    yield
    left = (log.handlers[:], log.level, log.propagate)
    log.handlers[:], log.propagate = before[0], before[2]
    log.setLevel(before[1])
    assert left == before, "the test leaves the process log changed: the fixture process_log puts it back"


@pytest.fixture
def process_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogLines]:
    """The process log, written into a list for one test; everything that starting it replaces is put back."""
    for place, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
        (logging, "lastResort"),
        (log, "handlers"),
        (log, "propagate"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    level = log.level
    lines = LogLines()
    start_logging("info", lines.written.append)
    yield lines
    log.setLevel(level)


@pytest.fixture(scope="session")
def proxy_ca(tmp_path_factory: pytest.TempPathFactory) -> ProxyCA:
    """The CA that proxies sign with."""
    directory = tmp_path_factory.mktemp("proxy-ca")
    authority = trustme.CA()
    ca = ProxyCA(directory / "ca.crt", directory / "ca.key")
    authority.cert_pem.write_to_path(str(ca.certificate))
    authority.private_key_pem.write_to_path(str(ca.key))
    ca.key.chmod(0o600)
    return ca


@pytest.fixture(scope="session")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    """The origins and the names, for the whole session."""
    with Internet(tmp_path_factory.mktemp("internet")) as running:
        yield running


class Processes:
    """The proxies of one test module: one process per configuration, stopped together at its end."""

    def __init__(self, new_directory: Callable[[], Path], internet: Internet, ca: ProxyCA) -> None:
        self._new_directory, self._internet, self._ca = new_directory, internet, ca
        self._running: dict[str, RunningProxy] = {}

    def get(self, configuration: Configuration, environment: Mapping[str, str]) -> RunningProxy:
        key = repr((configuration, environment))
        if key not in self._running:
            self._running[key] = self.start(configuration, environment)
        return self._running[key]

    def start(self, configuration: Configuration, environment: Mapping[str, str]) -> RunningProxy:
        proxy = RunningProxy(configuration, self._new_directory(), self._internet, self._ca, environment)
        try:
            return proxy.start()
        except BaseException:
            proxy.kill()
            raise

    def forget(self, proxy: RunningProxy) -> None:
        """A process that is no longer fit for another test."""
        self._running = {key: each for key, each in self._running.items() if each is not proxy}
        proxy.kill()

    def stop(self) -> None:
        failures = []
        for proxy in self._running.values():
            proxy.ask_to_stop()
        for proxy in self._running.values():
            try:
                proxy.stop()
            except Exception as error:
                failures.append(error)
                proxy.kill()
        if failures:
            raise failures[0]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory, internet: Internet, proxy_ca: ProxyCA) -> Iterator[Processes]:
    """Where this module's proxies live."""
    started = Processes(lambda: tmp_path_factory.mktemp("proxy"), internet, proxy_ca)
    yield started
    started.stop()


class Running(Protocol):
    """BASE.yaml with changes (`proxy__http_listen=...`), or another configuration altogether."""

    def __call__(
        self, configuration: Configuration | None = None, *, env: Mapping[str, str] | None = None, **changes: Any
    ) -> RunningProxy: ...


class Started:
    """The `Running` of one test, and what it has used."""

    def __init__(self, processes: Processes, internet: Internet, ca: ProxyCA) -> None:
        self._processes, self._internet, self._ca = processes, internet, ca
        self._used: list[RunningProxy] = []

    def __call__(
        self, configuration: Configuration | None = None, *, env: Mapping[str, str] | None = None, **changes: Any
    ) -> RunningProxy:
        if configuration is None:
            configuration = base_config(self._internet, self._ca, **changes)
        proxy = self._processes.get(configuration, env or {})
        if proxy not in self._used:
            self._used.append(proxy)
            proxy.begin_test()
        return proxy

    def check(self) -> None:
        """The oracles of every proxy that was used. One that fails them is no longer fit for another test."""
        for proxy in self._used:
            try:
                proxy.check_oracles()
            except BaseException:
                self._processes.forget(proxy)
                raise

    def begin_again(self) -> None:
        """For a test that runs several times in one: each of them is held to the oracles."""
        self.check()
        for proxy in self._used:
            proxy.begin_test()


@pytest.fixture
def running(processes: Processes, internet: Internet, proxy_ca: ProxyCA) -> Iterator[Running]:
    """Start, or find again, a proxy with a configuration; its oracles are checked when the test ends."""
    started = Started(processes, internet, proxy_ca)
    yield started
    started.check()


@pytest.fixture
def proxy(running: Running) -> RunningProxy:
    """A proxy with BASE.yaml."""
    return running()


class Fresh(Protocol):
    """As `Running`, for a test that ends the process itself: it is killed afterwards, if need be, unchecked."""

    def __call__(
        self, configuration: Configuration | None = None, *, env: Mapping[str, str] | None = None, **changes: Any
    ) -> RunningProxy: ...


@pytest.fixture
def fresh_proxy(processes: Processes, internet: Internet, proxy_ca: ProxyCA) -> Iterator[Fresh]:
    """Start a proxy of the test's own."""
    started: list[RunningProxy] = []

    def start(
        configuration: Configuration | None = None, *, env: Mapping[str, str] | None = None, **changes: Any
    ) -> RunningProxy:
        if configuration is None:
            configuration = base_config(internet, proxy_ca, **changes)
        proxy = processes.start(configuration, env or {})
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.kill()
