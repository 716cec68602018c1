import io

import pytest

from iron_proxy.demo.websocket_frame import CLOSE, TEXT, read_frame, serialize_frame

# RFC 6455 section 5.7: the text "Hello", from a server and from a client.
SERVER_HELLO = bytes.fromhex("810548656c6c6f")
CLIENT_HELLO = bytes.fromhex("818537fa213d7f9f4d5158")
MASK = bytes.fromhex("37fa213d")


@pytest.mark.parametrize(("mask", "wire"), [(b"", SERVER_HELLO), (MASK, CLIENT_HELLO)], ids=["server", "client"])
def test_frames_are_those_of_the_rfc(mask: bytes, wire: bytes) -> None:
    assert serialize_frame(TEXT, b"Hello", mask) == wire
    assert read_frame(io.BytesIO(wire)) == (TEXT, b"Hello")


def test_frames_are_read_one_at_a_time() -> None:
    file = io.BytesIO(CLIENT_HELLO + serialize_frame(CLOSE, b"", MASK))

    assert [read_frame(file), read_frame(file)] == [(TEXT, b"Hello"), (CLOSE, b"")]


@pytest.mark.parametrize("size", range(len(CLIENT_HELLO)))
def test_a_frame_that_is_cut_off_is_a_broken_connection(size: int) -> None:
    with pytest.raises(ConnectionError, match="in the middle of a WebSocket frame"):
        read_frame(io.BytesIO(CLIENT_HELLO[:size]))


@pytest.mark.parametrize("wire", [b"\x01\x05Hello", b"\x81\x7e\x01\x00"], ids=["fragment", "long"])
def test_a_frame_of_a_kind_that_nobody_sends_is_refused(wire: bytes) -> None:
    with pytest.raises(ConnectionError, match="a kind that nobody sent"):
        read_frame(io.BytesIO(wire))


def test_a_long_payload_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most 125"):
        serialize_frame(TEXT, bytes(126))
