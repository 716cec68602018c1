"""
What every case of requests is held to beyond its own words: it runs at every split, and in HTTP/2 where it can.

A test with the marker `every_split` runs once for each split of what its clients send, and is held to the oracles each
time. With `every_split(http2=True)` it runs once more with `RunningProxy.ask` in HTTP/2, where its way in has TLS.

With `--intercepted-from NAMESPACE` only the tests of the listeners' own ways run, and these go through the kernel.
"""

from collections.abc import Iterator

import pytest
from tests.attack.intercepted import OPTION, OTHERWISE, WAYS, Interception
from tests.attack.rounds import rounds_of
from tests.conftest import Started


def pytest_addoption(parser: pytest.Parser) -> None:
    """See above."""
    parser.addoption(OPTION, metavar="NAMESPACE", help="where clients are (tests/attack/intercepted.py)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With the option, only what has a way in that it is about, and fares there as elsewhere."""
    if config.getoption(OPTION, None) is not None:
        items[:] = [each for each in items if _is_about_interception(each)]


def _is_about_interception(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    return item.callspec.params.get("way") in WAYS and not OTHERWISE.keys() & {item.name, item.originalname}


@pytest.fixture(scope="session", autouse=True)
def interception(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the option, for all proxies of the session."""
    clients = request.config.getoption(OPTION, None)
    with pytest.MonkeyPatch.context() as patch:
        if clients is not None:
            Interception(clients).install(patch)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a test that is marked several times, instead of once."""
    if pyfuncitem.get_closest_marker("every_split") is None:
        return None
    running = pyfuncitem.funcargs["running"]
    assert isinstance(running, Started)
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for number, (name, sent) in enumerate(rounds_of(pyfuncitem)):
        if number:
            running.begin_again()
        try:
            with sent:
                pyfuncitem.obj(**arguments)
        except BaseException as error:
            error.add_note(f"It was sent in: {name}")
            raise
    return True
