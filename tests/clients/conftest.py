"""The world that real clients run in, started once, and the notes from which the page of clients is checked."""

import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest
from tests.clients.jobs import NO_HTTP2, Routing, Row, job_of, routing_of
from tests.clients.namespace import Namespace, NamespaceUnavailable
from tests.clients.world import World
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA

PASSED = pytest.StashKey[set[tuple[Row, Routing]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PASSED] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The page is looked at when all clients have run."""
    items.sort(key=lambda item: item.get_closest_marker("clients_page") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    job = job_of(item)
    if job is not None and report.when == "call" and report.passed:
        item.config.stash[PASSED].add((job.row, routing_of(item)))
    return report


@pytest.fixture(scope="session")
def namespace() -> Iterator[Namespace]:
    """Where clients, proxy and origins live."""
    made = Namespace()
    try:
        made.open()
        yield made
    except NamespaceUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        made.close()


@pytest.fixture(scope="session")
def generated_ca(tmp_path_factory: pytest.TempPathFactory) -> ProxyCA:
    """A CA as users make it: what these clients accept is what we generate."""
    folder = tmp_path_factory.mktemp("generated-ca")
    command = [sys.executable, "-m", "iron_proxy", "generate-ca", "-outdir", str(folder), "-alg", "p256"]
    subprocess.run(command, check=True, capture_output=True)
    return ProxyCA(folder / "ca.crt", folder / "ca.key")


@pytest.fixture(scope="session")
def running_world(
    namespace: Namespace, internet: Internet, generated_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The proxy and the origins."""
    world = World(namespace, internet, generated_ca, tmp_path_factory)
    try:
        world.start()
        yield world
        world.stop()
    finally:
        world.kill()


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The world for one test: what is missing skips it, and what must always hold is checked behind it."""
    job = job_of(request.node)
    if job is not None and (reason := job.missing()):
        pytest.skip(reason)
    running: World = request.getfixturevalue("running_world")
    if job is not None and job.http2 and not running.serves_http2:
        pytest.skip(NO_HTTP2)
    running.begin_test()
    yield running
    running.check()
