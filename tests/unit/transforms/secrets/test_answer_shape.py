"""What header fields say about a response's body, and what is to be forgotten once the body is another one."""

import pytest
from tests.unit.transforms.secrets.scrubbing_cases import REAL, redactor_of

from iron_proxy.messages.headers import Fields, Headers, Pair
from iron_proxy.transforms.secrets.answer_shape import (
    AnswerShape,
    forget_codings,
    forget_digests,
    is_text,
    shape_of,
)


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/plain", b"TEXT/HTML; charset=utf-8", b"application/json", b"application/problem+json; a=b",
        b"application/x-ndjson", b"text/event-stream", b"application/xml", b"image/svg+xml",
        b"application/x-www-form-urlencoded", b"application/javascript",
    ],
)  # fmt: skip
def test_texts(content_type: bytes) -> None:
    assert is_text(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        b"", b"application/octet-stream", b"image/png", b"application/grpc", b"application/grpc+json",
        b"application/grpc-web-text", b"application/connect+json", b"multipart/mixed; boundary=json",
        b"application/vnd.amazon.eventstream", b"application/x-protobuf", b"video/mp4; x=text/plain",
    ],
)  # fmt: skip
def test_what_may_count_its_bytes(content_type: bytes) -> None:
    assert not is_text(content_type)


@pytest.mark.parametrize(
    ("fields", "codings", "must_be_decoded"),
    [
        ([], (), False),
        ([(b"Content-Encoding", b"identity")], (), False),
        ([(b"content-ENCODING", b"gzip")], ("gzip",), True),
        ([(b"Content-Encoding", b"br"), (b"Content-Encoding", b"x-gzip")], ("br", "gzip"), True),
        ([(b"Content-Encoding", b"compress")], None, True),
        ([(b"grpc-encoding", b"identity")], (), False),
        ([(b"Connect-Content-Encoding", b"gzip")], (), True),
        ([(b"Grpc-Encoding", b"gzip")], (), True),
    ],
)
def test_how_the_body_is_coded(fields: list[Pair], codings: tuple[str, ...] | None, must_be_decoded: bool) -> None:
    shape = AnswerShape(fields, redactor_of())

    assert (shape.codings, shape.must_be_decoded) == (codings, must_be_decoded)


def test_the_shape_is_kept_with_fields_that_are_shared() -> None:
    redactor = redactor_of()
    headers = Headers(Fields([(b"A", b"x " + REAL)]))

    shape = shape_of(headers, redactor)

    assert not shape.is_clean
    assert shape_of(headers, redactor) is shape
    assert shape_of(headers, redactor_of()) is not shape


def test_of_fields_of_ones_own_nothing_is_kept() -> None:
    redactor = redactor_of()
    headers = Headers([(b"A", b"x")])
    assert shape_of(headers, redactor).is_clean

    headers.set(b"A", REAL)

    assert not shape_of(headers, redactor).is_clean


def test_a_body_that_has_changed_has_no_digest_and_a_weak_tag() -> None:
    headers = Headers(
        Fields(
            [
                (b"Content-MD5", b"x"), (b"digest", b"x"), (b"Content-Digest", b"x"), (b"Repr-Digest", b"x"),
                (b"X-Amz-Checksum-Sha256", b"x"), (b"x-goog-hash", b"x"), (b"ETag", b'"1"'), (b"A", b"b"),
            ]
        )
    )  # fmt: skip

    forget_digests(headers)

    assert [*headers] == [(b"A", b"b"), (b"ETag", b'W/"1"')]


def test_a_weak_tag_stays() -> None:
    headers = Headers([(b"ETag", b'W/"1"'), (b"Content-Encoding", b"gzip")])

    forget_codings(headers)

    assert [*headers] == [(b"ETag", b'W/"1"')]
