"""The marker `every_split`: what is marked is really sent in every round, and each round is a test of its own."""

from collections.abc import Iterator

import pytest
from tests.fakes.http2_asking import ask_in_http2
from tests.fakes.recorder import RawReply
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import MOST_CUT, Session, Split, Way, cut, sending_in, split_in_force, way_id

Round = tuple[Split, bool]


class Socket:
    """Keeps the writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.writes.append(data)


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[list[Round]]:
    """The rounds that a test has seen: whether they are all is looked at when it has ended."""
    rounds: list[Round] = []
    yield rounds
    expected = [(split, False) for split in Split]
    if request.node.callspec.params["way"].is_tls:
        expected.append((Split.WHOLE, True))
    assert rounds == expected


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_a_marked_test_runs_in_every_round(proxy: RunningProxy, way: Way, seen: list[Round]) -> None:
    seen.append((split_in_force(), RunningProxy.ask is ask_in_http2))

    assert proxy.ask(way, headers="X-One: 1\r\n").status == 200

    assert len(proxy.new_records()) == 1
    [arrived] = proxy.arrived()
    assert (b"x-one" in arrived.names(), b"X-One" in arrived.head) == (True, not seen[-1][1])


@pytest.mark.parametrize("split", Split)
def test_what_has_no_split_of_its_own_is_cut_as_the_test_is(split: Split) -> None:
    sent, data = Socket(), b"a\r\n\r\nb"
    session = Session(sent)  # type: ignore[arg-type]  # it only sends

    with sending_in(split):
        session.send(data)
        session.send(data, Split.WHOLE)
        assert RawReply(data).split is split

    assert sent.writes == [*split.pieces(data), data]
    assert split_in_force() is Split.WHOLE


def test_the_end_of_a_long_message_is_not_cut() -> None:
    pieces = list(cut(b"x" * (MOST_CUT + 10), Split.BYTES))

    assert [len(piece) for piece in pieces] == [1] * MOST_CUT + [10]
