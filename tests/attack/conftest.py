"""
What every case of requests is held to beyond its own words: it runs at every split, and in HTTP/2 where it can.

A test with the marker `every_split` runs once for each split of what its clients send, and is held to the oracles each
time. With `every_split(http2=True)` it runs once more with `RunningProxy.ask` in HTTP/2, where its way in has TLS.
"""

import pytest
from tests.attack.rounds import rounds_of
from tests.conftest import Started


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
