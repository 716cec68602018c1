"""RFC 9113 section 8 for responses and trailers: what is malformed, and what a well formed one becomes."""

import pytest

from iron_proxy.errors import BadRequest, UpstreamProtocolError
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Length
from iron_proxy.protocols.http2.header_rules import read_response, read_trailers

Pairs = list[tuple[bytes, bytes]]


def response(pairs: Pairs, method: str = "GET", *, ends: bool = True) -> ResponseHead:
    return read_response([(name, value, False) for name, value in pairs], method, ends=ends)


def trailers(pairs: Pairs) -> Pairs:
    return list(read_trailers([(name, value, False) for name, value in pairs], BadRequest))


# --- responses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(b"x-a", b"b")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b"x-a", b"b"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        *[[(b":status", status)] for status in (b"", b"20", b"2000", b"099", b"600", b"2x0", b"+20", b" 200", b"101")],
        *[[(b":status", b"200"), (name, b"x")] for name in (b"connection", b"transfer-encoding", b"upgrade", b"te")],
        [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"1")],
        [(b":status", b"200"), (b"content-length", b"x")],
        [(b":status", b"200"), (b"content-length", b"5")],
        [(b":status", b"103")],
        [(b":status", b"200"), (b"x-a", b"v" * 270_000)],
    ],
    ids=repr,
)
def test_a_malformed_response_is_the_upstreams_fault(pairs: Pairs) -> None:
    with pytest.raises(UpstreamProtocolError):
        response(pairs)


@pytest.mark.parametrize(
    ("method", "status", "lengths", "ends", "framing", "declared"),
    [
        ("GET", b"200", [b"5"], False, Length(5), 5),
        ("GET", b"200", [], False, CHUNKED, None),
        ("GET", b"200", [], True, NO_BODY, None),
        ("GET", b"200", [b"0"], False, NO_BODY, 0),
        ("HEAD", b"200", [b"5"], True, NO_BODY, 5),
        ("HEAD", b"200", [], False, NO_BODY, None),
        ("GET", b"304", [b"5"], True, NO_BODY, 5),
        ("GET", b"204", [], True, NO_BODY, None),
        ("GET", b"103", [], False, NO_BODY, None),
    ],
)
def test_a_response_is_framed_by_method_status_length_and_end(
    method: str, status: bytes, lengths: list[bytes], ends: bool, framing: object, declared: int | None
) -> None:
    pairs = [(b":status", status), *((b"content-length", length) for length in lengths), (b"x-a", b"b")]

    head = response(pairs, method, ends=ends)

    assert (head.framing, head.declared_length, list(head.pairs)) == (framing, declared, [(b"x-a", b"b")])
    assert (head.minor_version, head.keep_alive, head.upgrade) == (1, True, [])


def test_a_response_gets_the_reason_that_http_1_wants() -> None:
    assert response([(b":status", b"404")]).reason == b"Not Found"
    assert response([(b":status", b"599")]).reason == b""


def test_a_responses_cookies_stay_apart() -> None:
    head = response([(b":status", b"200"), (b"set-cookie", b"a"), (b"set-cookie", b"b")])

    assert list(head.pairs) == [(b"set-cookie", b"a"), (b"set-cookie", b"b")]


# --- trailers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        (b":status", b"200"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"X-T", b"a"),
        (b"x", b"a\n"),
    ],
)
def test_malformed_trailers_are_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        trailers([(b"x-t", b"1"), field])


def test_trailers_that_would_change_the_message_are_dropped_and_others_pass() -> None:
    pairs = [
        (b"grpc-status", b"0"), (b"content-length", b"9"), (b"host", b"other.test"), (b"authorization", b"x"),
        (b"te", b"trailers"),
        (b"cookie", b"a"), (b"trailer", b"x"), (b"grpc-message", b""),
    ]  # fmt: skip

    assert trailers(pairs) == [(b"grpc-status", b"0"), (b"grpc-message", b"")]


def test_no_trailers_are_none() -> None:
    assert trailers([]) == []


def test_trailers_beyond_the_limit_of_http_1_are_refused() -> None:
    with pytest.raises(BadRequest):
        trailers([(b"x-t", b"v" * 17_000)])
