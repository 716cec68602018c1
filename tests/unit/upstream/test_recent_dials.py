"""The newest connections of our own, known again by both of their ends."""

from typing import Any, cast

import pytest

from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.upstream import recent_dials
from iron_proxy.upstream.recent_dials import RecentDials


class Dialled:
    def __init__(self, sockname: Any, peername: Any) -> None:
        self._names = {"sockname": sockname, "peername": peername}

    def extra(self, name: str) -> Any:
        return self._names[name]


def dialled(sockname: Any, peername: Any) -> SocketStream:
    return cast(SocketStream, Dialled(sockname, peername))


def test_a_connection_that_comes_back_is_known() -> None:
    dials = RecentDials()

    dials.note(dialled(("10.0.0.1", 40000), ("192.0.2.7", 443)))

    assert dials.is_own(("10.0.0.1", 40000), ("192.0.2.7", 443))
    assert dials.is_own(("::ffff:10.0.0.1", 40000, 0, 0), ("192.0.2.7", 443)), "on a dual-stack listener"


def test_ipv6_is_compared_without_its_zone() -> None:
    dials = RecentDials()

    dials.note(dialled(("fe80::1%eth0", 40000, 0, 2), ("2001:db8::7", 443, 0, 0)))

    assert dials.is_own(("fe80::1", 40000, 0, 0), ("2001:db8::7", 443))


@pytest.mark.parametrize(
    ("client", "destination"),
    [
        (("10.0.0.1", 40001), ("192.0.2.7", 443)),
        (("10.0.0.2", 40000), ("192.0.2.7", 443)),
        (("10.0.0.1", 40000), ("192.0.2.8", 443)),
        (("10.0.0.1", 40000), ("192.0.2.7", 80)),
        (None, ("192.0.2.7", 443)),
    ],
    ids=["another port", "another address", "another destination", "another destination's port", "gone"],
)
def test_a_connection_of_somebody_else_is_not(client: Any, destination: tuple[str, int]) -> None:
    dials = RecentDials()

    dials.note(dialled(("10.0.0.1", 40000), ("192.0.2.7", 443)))

    assert not dials.is_own(client, destination)


def test_a_socket_that_is_gone_is_not_noted() -> None:
    dials = RecentDials()

    dials.note(dialled(None, ("192.0.2.7", 443)))
    dials.note(dialled(("10.0.0.1", 40000), None))

    assert not dials.is_own(("10.0.0.1", 40000), ("192.0.2.7", 443))


def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_dials, "REMEMBERED", 2)
    dials = RecentDials()

    for port in (1, 2, 3):
        dials.note(dialled(("10.0.0.1", port), ("192.0.2.7", 443)))

    known = [dials.is_own(("10.0.0.1", port), ("192.0.2.7", 443)) for port in (1, 2, 3)]
    assert known == [False, True, True]
