"""Fixtures of the tests of `iron-proxy run`, and of the jail below it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.namespace import NamespaceUnavailable
from tests.end_to_end.jailed import Person, root, somebody
from tests.fakes.run_world import NOBODY, RunWorld, interpreter


@pytest.fixture(scope="session")
def run_world() -> Iterator[RunWorld]:
    """The internet that runs meet."""
    # Not below the folders of pytest, which are for root alone.
    folder = Path(tempfile.mkdtemp(prefix="iron-proxy-run-world-"))
    folder.chmod(0o777)
    world = RunWorld(folder)
    try:
        world.open()
        yield world
    except NamespaceUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["root", NOBODY])
def user(request: pytest.FixtureRequest) -> str:
    """Who starts the run: root, and somebody without any right."""
    name: str = request.param
    if not interpreter(name):
        pytest.skip(f"no Python of this version that {name} may start")
    return name


@pytest.fixture(params=["root", "somebody"])
def person(request: pytest.FixtureRequest) -> Person:
    """Who starts a jail."""
    return root() if request.param == "root" else somebody()


@pytest.fixture
def place(person: Person) -> Iterator[Path]:
    """A folder of theirs."""
    with person.folder() as folder:
        yield folder
