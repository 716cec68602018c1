"""What we write: complete, lower case, nothing of a connection, and no secret in a table."""

import pytest

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http2.outbound_fields import FieldWriter


def test_a_request_is_written_with_its_pseudo_headers_first() -> None:
    fields = FieldWriter().request(
        "POST", "https", b"ok.test", b"/a", [(b"X-A", b"b")], length=5, te_trailers=True, sensitive=()
    )

    assert fields == [
        (b":method", b"POST", False),
        (b":scheme", b"https", False),
        (b":authority", b"ok.test", False),
        (b":path", b"/a", False),
        (b"x-a", b"b", False),
        (b"te", b"trailers", False),
        (b"content-length", b"5", False),
    ]


def test_a_response_is_written_without_reason_and_with_its_length() -> None:
    assert FieldWriter().response(404, [(b"X-A", b"b")], 0, ()) == [
        (b":status", b"404", False), (b"x-a", b"b", False), (b"content-length", b"0", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Transfer-Encoding", b"Upgrade", b"TE", b"Trailer",
     b"HTTP2-Settings",
     b"Content-Length"],
)  # fmt: skip
def test_what_belongs_to_a_connection_never_leaves(name: bytes) -> None:
    pairs = [(name, b"x")]

    assert len(FieldWriter().request("GET", "https", b"a", b"/", [*pairs, (b"Host", b"b")], None, False, ())) == 4
    assert len(FieldWriter().response(200, pairs, None, ())) == 1
    assert FieldWriter().trailers(pairs, ()) == []


def test_a_challenge_of_ours_reaches_the_client_but_never_goes_upstream() -> None:
    pairs = [(b"Proxy-Authenticate", b"Basic")]

    assert FieldWriter().response(407, pairs, None, ())[1] == (b"proxy-authenticate", b"Basic", False)
    assert len(FieldWriter().request("GET", "https", b"a", b"/", pairs, None, False, ())) == 4


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie", b"Set-Cookie", b"X-Swapped"])
def test_secrets_are_marked_as_never_to_be_indexed(name: bytes) -> None:
    assert FieldWriter().response(200, [(name, b"s")], None, {b"x-swapped"})[1][2] is True
    assert FieldWriter().trailers([(name, b"s")], {b"x-swapped"})[0][2] is True


@pytest.mark.parametrize(
    ("path", "sensitive", "expected"), [(b"/a", (), False), (b"/a?key=s", (), True), (b"/swapped", {b":path"}, True)]
)
def test_a_path_that_may_hold_a_secret_is_never_indexed(
    path: bytes, sensitive: tuple[bytes, ...], expected: bool
) -> None:
    assert FieldWriter().request("GET", "https", b"a", path, [], None, False, sensitive)[3] == (
        b":path",
        path,
        expected,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-a", b"a\r\nb: c"), (b"x-a", b"a\n"), (b"x-a", b"\0"), (b"x-a", b"\r"), (b"x a", b"b"), (b"", b"b"),
     (b":path", b"/"),
     (b"x\n", b"b")],
)  # fmt: skip
def test_what_would_not_be_well_formed_is_not_written(name: bytes, value: bytes) -> None:
    with pytest.raises(IronProxyError):
        FieldWriter().request("GET", "https", b"a", b"/", [(name, value)], None, False, ())
    with pytest.raises(IronProxyError):
        FieldWriter().response(200, [(name, value)], None, ())
    with pytest.raises(IronProxyError):
        FieldWriter().trailers([(name, value)], ())


@pytest.mark.parametrize(("authority", "path"), [(b"a\r\n", b"/"), (b"a", b"/\n"), (b"a\0", b"/")])
def test_nor_is_it_in_a_pseudo_header(authority: bytes, path: bytes) -> None:
    with pytest.raises(IronProxyError):
        FieldWriter().request("GET", "https", authority, path, [], None, False, ())


def test_white_space_around_a_value_is_taken_off() -> None:
    assert FieldWriter().response(200, [(b"x-a", b" b\t"), (b"x-c", b"")], None, ())[1:] == [
        (b"x-a", b"b", False), (b"x-c", b"", False)
    ]  # fmt: skip


def test_fields_that_repeat_are_written_the_same_unless_another_is_sensitive_now() -> None:
    writer, pairs = FieldWriter(), Fields([(b"X-A", b"b"), (b"X-C", b"d")])

    plain = writer.response(200, pairs, None, ())
    assert writer.response(200, pairs, None, ()) == plain
    assert writer.response(200, pairs, None, frozenset((b"x-a",)))[1] == (b"x-a", b"b", True)
    assert writer.response(200, pairs, None, ()) == plain
    assert writer.response(200, Fields([(b"X-A", b"other")]), None, ())[1] == (b"x-a", b"other", False)
    assert writer.response(200, pairs, 5, ()) == [*plain, (b"content-length", b"5", False)]
    assert writer.response(200, pairs, None, ()) == plain


def test_a_message_that_repeats_is_the_same_object_and_any_other_is_not() -> None:
    writer, pairs = FieldWriter(), Fields([(b"X-A", b"b")])

    def request(path: bytes = b"/", method: str = "GET", length: int | None = None, te: bool = False) -> object:
        return writer.request(method, "https", b"a", path, pairs, length, te, ())

    first = request()
    assert request() is first
    for other in (request(b"/other"), request(method="PUT"), request(length=0), request(te=True)):
        assert other != first
        assert request() == first
    assert writer.response(200, pairs, None, ()) is writer.response(200, pairs, None, ())
    assert writer.response(200, pairs, None, ()) != writer.response(201, pairs, None, ())
    assert writer.trailers(pairs, ()) is writer.trailers(pairs, ())
    assert writer.trailers(pairs, ()) != writer.trailers(pairs, {b"x-a"})


def test_of_a_list_nothing_is_kept_as_it_may_change() -> None:
    writer, pairs = FieldWriter(), [(b"X-A", b"b")]
    assert writer.trailers(pairs, ()) == [(b"x-a", b"b", False)]
    assert writer.response(200, pairs, None, ())[1:] == [(b"x-a", b"b", False)]

    pairs[0] = (b"X-A", b"c")
    assert writer.trailers(pairs, ()) == [(b"x-a", b"c", False)]
    assert writer.response(200, pairs, None, ())[1:] == [(b"x-a", b"c", False)]


def test_a_set_of_names_that_grows_is_seen_to_grow() -> None:
    writer, pairs = FieldWriter(), Fields([(b"X-A", b"b")])
    names: set[bytes] = {b"x-b"}

    assert writer.response(200, pairs, None, names)[1] == (b"x-a", b"b", False)
    names.add(b"x-a")
    assert writer.response(200, pairs, None, names)[1] == (b"x-a", b"b", True)


def test_what_repeats_and_is_not_well_formed_is_refused_each_time() -> None:
    writer, pairs = FieldWriter(), Fields([(b"X-A", b"b\r\n")])

    for _ in range(2):
        with pytest.raises(IronProxyError):
            writer.response(200, pairs, None, ())
