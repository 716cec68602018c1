import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.protocols.http1.serializer import CONTINUE, LAST_CHUNK, chunk, serialize_head, serialize_trailers

LINE = b"GET / HTTP/1.1"


def test_a_request_head_is_written_from_its_parts() -> None:
    head = serialize_head(LINE, b"ok.test", [(b"X-a", b"1"), (b"x-A", b"")], b"Content-Length: 3\r\n")

    assert head == b"GET / HTTP/1.1\r\nHost: ok.test\r\nX-a: 1\r\nx-A: \r\nContent-Length: 3\r\n\r\n"


def test_a_response_head_has_no_host() -> None:
    assert serialize_head(b"HTTP/1.1 200 OK", None, [], b"") == b"HTTP/1.1 200 OK\r\n\r\n"


def test_several_framing_fields_are_whole_lines() -> None:
    head = serialize_head(LINE, None, [], b"Content-Length: 3\r\nConnection: close\r\n")

    assert head == b"GET / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"


BREAKING = [b"\r\n", b"\n", b"\r", b"\0", b"\r\nX: y", b"a\r\n\r\nGET /smug HTTP/1.1"]


@pytest.mark.parametrize("breaking", BREAKING)
@pytest.mark.parametrize("place", ["start line", "host", "name", "value"])
def test_no_part_may_bring_a_line_end_of_its_own(place: str, breaking: bytes) -> None:
    parts = {"start line": LINE, "host": b"ok.test", "name": b"X", "value": b"a"}
    parts[place] += breaking

    with pytest.raises(IronProxyError) as caught:
        serialize_head(parts["start line"], parts["host"], [(parts["name"], parts["value"])], b"A: b\r\n")

    assert "smug" not in str(caught.value)


@pytest.mark.parametrize("breaking", [b"\n", b"\r", b"\0"])
def test_framing_fields_are_whole_lines_only(breaking: bytes) -> None:
    with pytest.raises(IronProxyError):
        serialize_head(LINE, None, [], b"A: b" + breaking + b"\r\n")


@pytest.mark.parametrize("breaking", BREAKING)
@pytest.mark.parametrize("place", [0, 1], ids=["name", "value"])
def test_no_trailer_may_bring_a_line_end_of_its_own(place: int, breaking: bytes) -> None:
    pair = [b"X", b"a"]
    pair[place] += breaking

    with pytest.raises(IronProxyError):
        serialize_trailers([(pair[0], pair[1])])


def test_trailers_come_behind_the_last_chunk() -> None:
    assert serialize_trailers([]) == LAST_CHUNK == b"0\r\n\r\n"
    assert serialize_trailers([(b"A", b"1"), (b"B", b"2")]) == b"0\r\nA: 1\r\nB: 2\r\n\r\n"


@pytest.mark.parametrize("size", [1, 9, 10, 16, 255, 65536])
def test_a_chunk_states_its_size_in_hexadecimal(size: int) -> None:
    line, _, rest = chunk(b"x" * size).partition(b"\r\n")

    assert int(line, 16) == size
    assert rest == b"x" * size + b"\r\n"


def test_continue_is_a_complete_head() -> None:
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


NAMES = st.from_regex(rb"X-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,10}", fullmatch=True)
VALUES = st.binary(max_size=20).map(lambda value: bytes(b for b in value if b in b"\t" or (b >= 0x20 and b != 0x7F)))


def events_of(reader: h11.Connection) -> list[h11.Event]:
    events = []
    while isinstance(event := reader.next_event(), h11.Event):
        events.append(event)
    return events


@pytest.mark.slow
@given(pairs=st.lists(st.tuples(NAMES, VALUES), max_size=5), pieces=st.lists(st.binary(min_size=1), max_size=4))
def test_an_independent_reader_reads_what_was_written(pairs: list[Pair], pieces: list[bytes]) -> None:
    message = serialize_head(LINE, b"ok.test", pairs, b"Transfer-Encoding: chunked\r\n")
    message += b"".join(map(chunk, pieces)) + serialize_trailers([])
    reader = h11.Connection(h11.SERVER)

    reader.receive_data(message)
    head, *events = events_of(reader)

    assert isinstance(head, h11.Request)
    written = [(name.lower(), value.strip(b" \t")) for name, value in pairs]
    assert list(head.headers) == [(b"host", b"ok.test"), *written, (b"transfer-encoding", b"chunked")]
    assert b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data)) == b"".join(pieces)
    assert isinstance(events[-1], h11.EndOfMessage)


def test_shared_fields_are_written_for_each_head_as_a_list_is() -> None:
    pairs = [(b"X-a", b"1")]
    fields = Fields(pairs)
    heads = [
        (LINE, b"ok.test", b""),
        (LINE, b"ok.test", b""),
        (b"GET /2 HTTP/1.1", b"ok.test", b""),
        (LINE, b"other.test", b""),
        (LINE, b"ok.test", b"Content-Length: 3\r\n"),
        (LINE, None, b""),
    ]

    for line, host, framing in heads:
        assert serialize_head(line, host, fields, framing) == serialize_head(line, host, pairs, framing)


@pytest.mark.parametrize("breaking", [b"\r\n", b"\n", b"\r", b"\0"], ids=repr)
def test_what_is_known_of_shared_fields_excuses_no_part(breaking: bytes) -> None:
    good, bad = Fields([(b"X-a", b"1")]), Fields([(b"X-a", b"1" + breaking)])
    serialize_head(LINE, b"ok.test", good, b"")

    for line, host, fields in [
        (LINE + breaking, b"ok.test", good),
        (LINE, b"ok.test" + breaking, good),
        (LINE, b"ok.test", bad),
        (LINE, b"ok.test", bad),
    ]:
        with pytest.raises(IronProxyError):
            serialize_head(line, host, fields, b"")
