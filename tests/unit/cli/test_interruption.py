"""A signal is obeyed between two parts of the work; a second one at once."""

import os
import signal

import pytest

from iron_proxy.cli.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_the_checkpoint(number: signal.Signals) -> None:
    with Interruption() as interruption:
        interruption.checkpoint()
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interruption.checkpoint()


def test_a_second_signal_does_not_wait() -> None:
    with Interruption():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_what_was_done_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before
