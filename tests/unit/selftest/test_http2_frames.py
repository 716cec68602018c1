import h2.config
import h2.connection
import h2.events
import pytest

from iron_proxy.selftest.http2_frames import body_in, is_over, opening, settings_acknowledged


def server() -> h2.connection.H2Connection:
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=False, validate_inbound_headers=False, header_encoding=None)
    )
    connection.initiate_connection()
    return connection


@pytest.mark.parametrize("size", [1, 126, 127, 128, 300, 5000])
def test_a_server_reads_the_fields_as_they_were_given(size: int) -> None:
    fields = ((b":method", b"GET"), (b":path", b"/"), (b"x-first", b"a\r\nb" + b"c" * size))

    events = server().receive_data(opening(fields) + settings_acknowledged())

    received = [event for event in events if isinstance(event, h2.events.RequestReceived)]
    assert [tuple(map(bytes, pair)) for pair in received[0].headers or []] == list(fields)
    assert any(isinstance(event, h2.events.StreamEnded) for event in events)


def test_the_body_of_an_answer_is_found_among_its_frames() -> None:
    connection = server()
    connection.receive_data(opening(((b":method", b"GET"), (b":path", b"/"))))
    connection.send_headers(1, [(":status", "200")])
    connection.send_data(1, b"one ")
    before = connection.data_to_send()
    connection.send_data(1, b"two", end_stream=True)
    whole = before + connection.data_to_send()

    assert body_in(whole) == b"one two"
    assert is_over(whole)
    assert not is_over(before)
    assert not is_over(whole[:-1])


@pytest.mark.parametrize("end", ["reset", "goaway"])
def test_a_refusal_is_an_end(end: str) -> None:
    connection = server()
    connection.receive_data(opening(((b":method", b"GET"), (b":path", b"/"))))
    connection.reset_stream(1) if end == "reset" else connection.close_connection()

    assert is_over(connection.data_to_send())
