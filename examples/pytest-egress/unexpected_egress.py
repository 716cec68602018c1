"""The program swallows the error, and the test fails all the same."""

import weather


def test_report() -> None:
    weather.report("started")
