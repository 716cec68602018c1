import pytest

from iron_proxy.errors import BadRequest
from iron_proxy.protocols.http1.framing import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    Framing,
    Length,
    parse_content_length,
    request_framing,
    response_framing,
)


@pytest.mark.parametrize(
    ("values", "length"),
    [([], None), ([b"0"], 0), ([b"007"], 7), ([b"9" * 18], 10**18 - 1)],
    ids=["none", "zero", "zeros before it", "the longest"],
)
def test_a_content_length_is_plain_digits(values: list[bytes], length: int | None) -> None:
    assert parse_content_length(values, BadRequest) == length


@pytest.mark.parametrize(
    "values", [[b"1", b"1"], [b"1", b"2"], [b""], [b"+1"], [b"1_0"], [b" 1"], [b"9" * 19], [b"1\n"], [b"\xd9\xa1"]]
)
def test_any_other_content_length_is_refused(values: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        parse_content_length(values, BadRequest)


@pytest.mark.parametrize(
    ("lengths", "codings", "minor_version", "framing"),
    [
        ([], [], 1, NO_BODY),
        ([b"0"], [], 1, NO_BODY),
        ([b"3"], [], 0, Length(3)),
        ([], [b"chunked"], 1, CHUNKED),
        ([], [b"Chunked"], 1, CHUNKED),
    ],
)
def test_a_request_has_one_framing(
    lengths: list[bytes], codings: list[bytes], minor_version: int, framing: Framing
) -> None:
    assert request_framing(lengths, codings, minor_version, BadRequest) == framing


@pytest.mark.parametrize(
    ("lengths", "codings", "minor_version"),
    [
        ([b"3"], [b"chunked"], 1),
        ([], [b"chunked"], 0),
        ([], [b"gzip"], 1),
        ([], [b"chunked", b"chunked"], 1),
        ([], [b""], 1),
        ([b"x"], [], 1),
    ],
)
def test_an_ambiguous_request_is_refused(lengths: list[bytes], codings: list[bytes], minor_version: int) -> None:
    with pytest.raises(BadRequest):
        request_framing(lengths, codings, minor_version, BadRequest)


@pytest.mark.parametrize(
    ("status", "method", "lengths", "codings", "framing", "declared"),
    [
        (200, "GET", [], [], UNTIL_CLOSE, None),
        (200, "GET", [b"3"], [], Length(3), 3),
        (200, "GET", [b"0"], [], NO_BODY, 0),
        (200, "GET", [], [b"chunked"], CHUNKED, None),
        (200, "HEAD", [b"3"], [], NO_BODY, 3),
        (200, "HEAD", [], [b"gzip, chunked"], NO_BODY, None),
        (100, "GET", [], [], NO_BODY, None),
        (204, "GET", [], [], NO_BODY, None),
        (304, "GET", [b"3"], [], NO_BODY, 3),
    ],
)
def test_a_response_has_one_framing(
    status: int, method: str, lengths: list[bytes], codings: list[bytes], framing: Framing, declared: int | None
) -> None:
    assert response_framing(status, method, lengths, codings, 1, BadRequest) == (framing, declared)


@pytest.mark.parametrize(
    ("method", "lengths", "codings", "minor_version"),
    [
        ("GET", [b"3"], [b"chunked"], 1),
        ("HEAD", [b"3"], [b"chunked"], 1),
        ("HEAD", [b"3", b"3"], [], 1),
        ("GET", [], [b"chunked"], 0),
        ("GET", [], [b"gzip, chunked"], 1),
        ("GET", [], [b"chunked", b"identity"], 1),
    ],
)
def test_an_ambiguous_response_is_refused(
    method: str, lengths: list[bytes], codings: list[bytes], minor_version: int
) -> None:
    with pytest.raises(BadRequest):
        response_framing(200, method, lengths, codings, minor_version, BadRequest)
