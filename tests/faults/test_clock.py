"""
The wall clock jumps, by days in either direction: what is timed goes on, and what has a date is made anew.

The machine's own clock is left alone. A `sitecustomize.py` that is found first lets this process see another time: what
it says is the real one plus the seconds that stand in a file.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from tests.conftest import Fresh
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way, connect

DAY = 86_400
_CUSTOMIZE = """
import time
_real = time.time
def _stepped():
    with open({file!r}, encoding="ascii") as file:
        return _real() + int(file.read())
time.time = _stepped
"""


class SteppedClock:
    """What the process takes for the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.step(0)
        (folder / "sitecustomize.py").write_text(_CUSTOMIZE.format(file=str(self._file)))
        self.environment = {"PYTHONPATH": str(folder)}

    def step(self, seconds: int) -> None:
        """Be so far from the real time."""
        aside = self._file.with_suffix(".new")
        aside.write_text(str(seconds), encoding="ascii")
        aside.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> SteppedClock:
    return SteppedClock(tmp_path)


@pytest.fixture
def proxy(fresh_proxy: Fresh, clock: SteppedClock) -> Iterator[RunningProxy]:
    proxy = fresh_proxy(env=clock.environment)
    proxy.begin_test()
    yield proxy
    proxy.check_oracles()


def served_leaf(proxy: RunningProxy) -> x509.Certificate:
    """The leaf that a client gets that believes everything."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(proxy.addresses["https"]), server_hostname="ok.test") as sock:
        der = sock.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_a_leaf_that_has_ended_is_made_anew_and_so_is_one_that_has_not_begun(
    proxy: RunningProxy, clock: SteppedClock
) -> None:
    first, again = served_leaf(proxy), served_leaf(proxy)
    clock.step(10 * DAY)  # leaves live for three
    later = served_leaf(proxy)
    clock.step(0)
    back = served_leaf(proxy)

    now = datetime.now(UTC)
    assert first == again
    assert later.not_valid_before_utc > first.not_valid_after_utc
    assert back.not_valid_before_utc < now < back.not_valid_after_utc
    assert proxy.ask(Way.HTTPS).status == 200  # and a client that believes nothing takes it


def test_deadlines_are_those_of_the_time_that_passes(proxy: RunningProxy, clock: SteppedClock) -> None:
    """An answer is waited for no longer and no shorter than its two seconds."""
    session = proxy.open(Way.HTTP, "ok.test")
    proxy.started += 1
    session.send(request("/slow", proxy.authority(Way.HTTP, "ok.test")))
    proxy.wait_for_arrival(Way.HTTP, "/slow")

    clock.step(-400 * DAY)
    answer = session.read_answer()

    assert answer.status == 502
    assert 1_500 < proxy.last_record()["duration_ms"] < 8_000
