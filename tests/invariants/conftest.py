"""The world of marked secrets: started once for a module, searched after every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Running
from tests.fakes import canary_world
from tests.fakes.canary import Finder
from tests.fakes.canary_world import CANARIES, CanaryWorld
from tests.fakes.configurations import allowlist, secrets_of
from tests.fakes.echo_origin import EchoOrigin
from tests.fakes.internet import ALLOWED, Internet


@pytest.fixture(scope="session")
def marked() -> dict[str, bytes]:
    """Every secret by name."""
    return {**CANARIES, "PEM": canary_world.pem()}


@pytest.fixture(scope="session")
def finder(marked: dict[str, bytes]) -> Finder:
    """Knows them all."""
    return Finder(marked)


@pytest.fixture(scope="session")
def secret_files(marked: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where those are that come from files."""
    directory = tmp_path_factory.mktemp("marked")
    canary_world.write_files(directory, marked)
    return directory


@pytest.fixture(scope="session")
def echo_origins(internet: Internet) -> Iterator[tuple[EchoOrigin, EchoOrigin]]:
    """Over TLS, and not."""
    origins = (EchoOrigin(ALLOWED, internet.server_context("inject.test", "ok.test")), EchoOrigin(ALLOWED))
    for origin in origins:
        internet.background.run(origin.start())
    yield origins
    for origin in origins:
        internet.background.run(origin.close())


@pytest.fixture
def canaries(
    running: Running, marked: dict[str, bytes], finder: Finder, secret_files: Path,
    echo_origins: tuple[EchoOrigin, EchoOrigin],
) -> Iterator[CanaryWorld]:  # fmt: skip
    """A proxy with all of them, its log at its most talkative. What comes out is searched when the test ends."""
    transforms = [allowlist(), secrets_of(*canary_world.entries(secret_files))]
    environment = canary_world.environment(marked)
    proxy = running(
        transforms=transforms, env=environment, proxy__upstream_response_header_timeout="500ms", log={"level": "debug"}
    )
    world = CanaryWorld(proxy, *echo_origins, finder)
    world.transforms, world.environment = transforms, environment
    yield world
    world.check()
