"""Windows of what is received, and whether a body is whole."""

from iron_proxy.protocols.http2.stream import ReceiveWindow, Stream


def test_a_window_opens_again_in_halves() -> None:
    window = ReceiveWindow(100)

    assert window.receive(60)
    assert window.give_back(30) == 0
    assert window.give_back(30) == 60
    assert window.receive(100)
    assert not window.receive(1)


def test_more_cannot_be_given_back_than_was_taken() -> None:
    window = ReceiveWindow(100)

    assert window.receive(50)
    assert window.give_back(500) == 50
    assert window.give_back(500) == 0
    assert window.receive(100)
    assert not window.receive(1)


def test_a_body_is_whole_when_it_has_the_length_that_was_said() -> None:
    stream = Stream(1, 65_535, "GET")
    assert stream.is_whole

    stream.expected = 5
    assert not stream.is_whole

    stream.received = 5
    assert stream.is_whole
