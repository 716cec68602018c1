"""Scrubbing a response: reason, fields, body and trailers; what is refused; what the record says."""

import base64
import gzip
import hashlib
import itertools
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.body_source import FakeBodySource
from tests.unit.transforms.secrets.scrubbing_cases import (
    NAME,
    REAL,
    TEXT,
    TOKEN,
    Knows,
    entry_of,
    found,
    redactor_of,
    response_of,
    scrubbed,
    secret_of,
)

from iron_proxy.errors import UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Fields, Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.transforms.secrets.redact import Redactor, SpelledSecret
from iron_proxy.transforms.secrets.scrubbing import WHOLE_BYTES, ResponseScrubber, Scrubbing

IN_PLACE = TOKEN.ljust(len(REAL), b"*")


# --- nothing to find ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
def test_a_small_answer_without_the_secret_passes_untouched(shared: bool) -> None:
    response = response_of(b'{"ok": true}', TEXT, shared=shared)
    body, fields = response.body, response.headers.fields

    assert ResponseScrubber(Knows()).finds_nothing(response)
    assert (response.body, response.headers.fields) == (body, fields)
    assert response.body.read_nowait() == b'{"ok": true}'


def test_a_small_answer_with_trailers_that_hold_nothing_passes_untouched() -> None:
    response = response_of(b"x", TEXT, trailers=[(b"grpc-status", b"0")], sized=False)
    body = response.body

    assert ResponseScrubber(Knows()).finds_nothing(response)
    assert response.body is body
    assert response.body.trailers == [(b"grpc-status", b"0")]


@pytest.mark.parametrize("trailer", [(b"x-sum", REAL), (b"x-" + REAL.lower(), b"1")])
def test_trailers_are_searched_names_and_values(trailer: tuple[bytes, bytes]) -> None:
    response = response_of(b"", TEXT, trailers=[(b"grpc-status", b"0"), trailer], sized=False)

    assert not ResponseScrubber(Knows()).finds_nothing(response)


def test_fields_that_come_again_are_not_searched_again() -> None:
    response = response_of(b"", (b"X-Echo", b"nothing"), shared=True)
    scrubber = ResponseScrubber(Knows())
    assert scrubber.finds_nothing(response)
    shape = response.headers.fields.answer_shape  # type: ignore[union-attr]  # they are Fields

    assert scrubber.finds_nothing(response)
    assert response.headers.fields.answer_shape is shape  # type: ignore[union-attr]


def test_what_one_redactor_found_clean_another_one_searches() -> None:
    response = response_of(b"", (b"X-Echo", b"other-secret"), shared=True)

    assert ResponseScrubber(Knows()).finds_nothing(response)
    assert not ResponseScrubber(Knows(redactor_of(value=b"other-secret"))).finds_nothing(response)


def test_what_stands_behind_a_body_is_searched_as_often() -> None:
    behind = Fields([(b"x-echo", b"other-secret")])
    knows = Knows()
    for _ in range(2):
        assert ResponseScrubber(knows).finds_nothing(response_of(b"x", TEXT, trailers=behind, sized=False))
    knows.redactor = redactor_of(value=b"other-secret")

    assert not ResponseScrubber(knows).finds_nothing(response_of(b"x", TEXT, trailers=behind, sized=False))


@pytest.mark.parametrize(
    "response",
    [
        response_of(b"key " + REAL, TEXT),
        response_of(b"", (b"X-Echo", REAL)),
        response_of(b"", reason=b"Bad key " + REAL),
        response_of([b"not", b"all here"], TEXT, here=1),
        response_of(b"x", (b"Content-Encoding", b"gzip")),
        response_of(b"x", (b"Content-Encoding", b"unknown")),
        response_of(b"x", (b"grpc-encoding", b"gzip")),
        response_of(b"x", TEXT, trailers=[(b"X-Sum", REAL)], sized=False),
        response_of([b"x" * WHOLE_BYTES] * 3),
    ],
    ids=["body", "field", "reason", "on-its-way", "coded", "unknown", "grpc", "trailer", "large"],
)
def test_anything_else_is_gone_through(response: Response) -> None:
    assert not ResponseScrubber(Knows()).finds_nothing(response)


async def test_a_clean_response_that_streams_leaves_no_trace() -> None:
    result = await scrubbed(response_of([b"one", b"two"], TEXT, sized=False, here=0))

    assert (result.content, result.traces) == (b"onetwo", [])


# --- the head -------------------------------------------------------------------------------------------------------


async def test_every_field_and_the_reason_are_scrubbed() -> None:
    encoded = b"%2F%2B%3F"
    result = await scrubbed(
        response_of(
            b"",
            (b"Set-Cookie", b"k=" + REAL + b"; Path=/"),
            (b"Location", b"http://x/?k=" + REAL[:-3] + encoded),
            (b"WWW-Authenticate", b"Basic " + base64.b64encode(b"user:" + REAL)),
            (b"Set-Cookie", b"again=" + REAL),
            (b"X-Other", b"nothing"),
            reason=b"Bad " + REAL,
        )
    )

    fields = dict(result.response.headers)
    assert result.response.reason == b"Bad " + TOKEN
    assert next(iter(result.response.headers)) == (b"Set-Cookie", b"k=" + TOKEN + b"; Path=/")
    assert fields[b"Location"] == b"http://x/?k=" + TOKEN
    assert REAL[:-3] not in base64.b64decode(fields[b"WWW-Authenticate"].removeprefix(b"Basic "))
    assert fields[b"X-Other"] == b"nothing"
    assert result.redacted == [
        {
            "secret": NAME,
            "locations": ["reason", "header:Set-Cookie", "header:Location", "header:WWW-Authenticate"],
            "count": 5,
        }
    ]


async def test_a_field_whose_name_holds_the_secret_goes() -> None:
    redactor = redactor_of(value=b"sk-real-key-1")
    response = response_of(b"", (b"X-SK-Real-key-1", b"1"), (b"A", b"b"), shared=True)
    assert not ResponseScrubber(Knows(redactor)).finds_nothing(response)

    result = await scrubbed(response, redactor)

    assert ([*response.headers], result.redacted) == ([(b"A", b"b")], found("header name"))


async def test_an_answer_without_a_body_keeps_its_declared_length() -> None:
    response = Response(304, Headers([(b"ETag", b'"' + REAL + b'"'), (b"Content-Encoding", b"unknown")]))
    response.declared_length = 100

    result = await scrubbed(response)

    assert (result.verdict, response.declared_length) == (None, 100)
    assert response.headers.get(b"etag") == b'"' + TOKEN + b'"'


# --- the body -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("here", [None, 0, 1])
async def test_a_short_text_gets_the_token_and_a_new_length(here: int | None) -> None:
    pieces = [b'{"key": "', REAL[:4], REAL[4:], b'"}']

    result = await scrubbed(response_of(pieces, TEXT, (b"ETag", b'"1"'), (b"Content-MD5", b"x"), here=here))

    assert result.content == b'{"key": "' + TOKEN + b'"}'
    assert result.response.body.length == len(result.content)
    assert [*result.response.headers] == [TEXT, (b"ETag", b'W/"1"')]
    assert result.redacted == found("body")


async def test_a_short_text_without_the_secret_keeps_its_digest() -> None:
    result = await scrubbed(response_of([b"a", b"b"], TEXT, (b"Content-MD5", b"x"), here=0))

    assert (result.content, result.response.headers.get(b"content-md5")) == (b"ab", b"x")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"application/octet-stream", 200),
        (b"application/grpc+json", 200),
        (b"application/connect+json", 200),
        (b"image/png", 200),
        (b"", 200),
        (b"text/plain", 206),
    ],
)
@pytest.mark.parametrize("sized", [True, False])
async def test_what_may_count_its_bytes_keeps_its_length(content_type: bytes, status: int, sized: bool) -> None:
    fields = [(b"Content-Type", content_type)] if content_type else []
    body = b"\x00\x19" + REAL + b"!"

    result = await scrubbed(response_of([body[:9], body[9:]], *fields, status=status, sized=sized))

    assert result.content == b"\x00\x19" + IN_PLACE + b"!"
    assert result.response.body.length == (len(body) if sized else None)
    assert result.redacted == found("body")


async def test_a_long_text_keeps_the_length_that_was_promised() -> None:
    body = b"x" * WHOLE_BYTES + REAL

    result = await scrubbed(response_of(body, TEXT))

    assert (result.content, result.response.body.length) == (b"x" * WHOLE_BYTES + IN_PLACE, len(body))


async def test_a_text_without_a_length_has_the_token_in_its_place() -> None:
    result = await scrubbed(
        response_of([b"data: " + REAL + b"\n\n"], (b"Content-Type", b"text/event-stream"), sized=False)
    )

    assert (result.content, result.response.body.length) == (b"data: " + TOKEN + b"\n\n", None)


@given(st.lists(st.integers(0, 200), max_size=6), st.booleans(), st.integers(0, 7))
async def test_wherever_a_body_is_cut_no_secret_comes_through(cuts: list[int], sized: bool, here: int) -> None:
    body = b"a " + REAL + b" b " + base64.b64encode(b"user:" + REAL) + b" c " + json.dumps(REAL.decode()).encode()
    places = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]

    result = await scrubbed(response_of(pieces, sized=sized, here=here))

    assert REAL not in result.content
    assert base64.b64encode(b"user:" + REAL)[6:-6] not in result.content
    assert len(result.content) == len(body)
    assert result.redacted == found("body", count=3)


async def test_events_are_not_held_back() -> None:
    source = FakeBodySource([b"data: one\n\n", b"data: sk-real", b"-two\n\n"], here=0)
    response = Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(source, None))
    await Scrubbing(Knows()).scrub(response, _NoTrace)  # type: ignore[arg-type]  # nothing is noted

    assert [await response.body.read(), source.reads] == [b"data: one\n\n", 1]
    assert [await response.body.read(), source.reads] == [b"data: ", 2]
    assert [await response.body.read(), source.reads] == [b"sk-real-two\n\n", 3]


async def test_what_is_sent_while_an_answer_streams_is_taken_out_of_it() -> None:
    """An event stream that was opened before may bring what a later request stores."""
    known = Knows(Redactor([]))
    source = FakeBodySource([b"data: one\n\n", REAL + b" " + REAL[:7], REAL[7:] + b"\n\n", b"end " + REAL], here=0)
    response = Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(source, None))
    assert not ResponseScrubber(known).finds_nothing(response)
    traces: list[dict[str, object]] = []
    await Scrubbing(known).scrub(response, LateTrace("secrets", traces))

    pieces = [await response.body.read()]
    known.redactor = redactor_of()
    pieces.append(await response.body.read())
    entries = [entry_of(), entry_of("B", b"token-of-b")]
    known.redactor = Redactor(map(SpelledSecret, entries, [secret_of(), secret_of(b"other-secret")]))
    while piece := await response.body.read():
        pieces.append(piece)

    assert b"".join(pieces) == b"data: one\n\n" + TOKEN + b" " + TOKEN + b"\n\nend " + TOKEN
    assert traces[0]["annotations"] == {"redacted": found("body", count=3)}


async def test_a_piece_that_is_held_back_whole_is_not_the_end() -> None:
    result = await scrubbed(response_of([REAL[:5], REAL[5:9], REAL[9:], b"!"], sized=False, here=0))

    assert (result.content, b"" in result.pieces) == (IN_PLACE + b"!", False)


async def test_trailers_are_scrubbed() -> None:
    response = response_of(b"x", trailers=[(b"X-Echo", b"k " + REAL), (b"X-Sum", b"1")], sized=False)

    result = await scrubbed(response)

    assert result.response.body.trailers == [(b"X-Echo", b"k " + TOKEN), (b"X-Sum", b"1")]
    assert result.redacted == found("trailer:X-Echo")


async def test_trailers_behind_a_short_text_are_scrubbed() -> None:
    result = await scrubbed(response_of(b"k " + REAL, TEXT, trailers=[(b"X-Echo", REAL)]))

    assert (result.content, result.response.body.trailers) == (b"k " + TOKEN, [(b"X-Echo", TOKEN)])
    assert result.redacted == found("body", "trailer:X-Echo")


async def test_a_body_that_is_cut_short_is_cut_short_for_the_client() -> None:
    source = FakeBodySource([b"half " + REAL], failure=UpstreamDisconnected("gone"), here=0)
    response = Response(200, Headers(), Body(source, None))

    with pytest.raises(UpstreamDisconnected):
        await scrubbed(response)


async def test_several_secrets_are_told_apart() -> None:
    redactor = Redactor(
        [
            SpelledSecret(entry_of("A", b"token-of-a"), secret_of(b"first-secret")),
            SpelledSecret(entry_of("B", b"token-of-b"), secret_of(b"2nd-secret")),
        ]
    )

    result = await scrubbed(response_of(b"first-secret 2nd-secret first-secret", TEXT), redactor)

    assert result.content == b"token-of-a token-of-b token-of-a"
    assert result.redacted == found("body", count=2, secret="A") + found("body", count=1, secret="B")


# --- coded answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("sized", [True, False])
async def test_a_coded_answer_is_decoded_and_scrubbed(coding: str, sized: bool) -> None:
    encoder = make_encoder([coding])
    coded = encoder.feed(b"some text " * 100 + REAL) + encoder.end()
    fields = (
        (b"Content-Encoding", coding.encode()),
        (b"ETag", b'"1"'),
        (b"Content-Digest", b"x"),
        (b"x-amz-checksum-crc32", b"x"),
    )

    result = await scrubbed(response_of([coded[:7], coded[7:]], TEXT, *fields, sized=sized, here=1))

    assert result.content == b"some text " * 100 + TOKEN
    assert (result.response.body.length, [*result.response.headers]) == (None, [TEXT, (b"ETag", b'W/"1"')])
    assert result.redacted == found("body")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b"Content-Encoding", b"compress")], 200),
        ([(b"Content-Encoding", b"gzip, foo")], 200),
        ([(b"Content-Encoding", b"gzip")], 206),
        ([(b"Content-Type", b"application/grpc"), (b"grpc-encoding", b"gzip")], 200),
    ],
    ids=["unknown", "one-of-two", "part", "grpc"],
)
async def test_what_cannot_be_looked_into_is_refused(fields: list[tuple[bytes, bytes]], status: int) -> None:
    result = await scrubbed(response_of(b"whatever", *fields, status=status))

    assert result.verdict is not None
    assert result.verdict.response is not None
    assert result.verdict.response.status == 502
    assert result.traces[0]["annotations"] == {"reject_reason": "coded_response"}


async def test_a_body_that_is_not_what_its_coding_says_is_the_upstreams_fault() -> None:
    with pytest.raises(UpstreamProtocolError, match="cannot be decoded"):
        await scrubbed(response_of(b"not gzip", (b"Content-Encoding", b"gzip")))


async def test_a_coded_body_that_is_cut_short_does_not_pass_for_a_whole_one() -> None:
    with pytest.raises(UpstreamProtocolError):
        await scrubbed(response_of(gzip.compress(hashlib.sha512().digest() * 50)[:-9], (b"Content-Encoding", b"gzip")))


async def test_a_secret_across_decoded_pieces_is_found() -> None:
    body = b"x" * (64 * 1024 - 5) + REAL + b"y" * 100

    result = await scrubbed(response_of(zlib.compress(body), TEXT, (b"Content-Encoding", b"deflate")))

    assert result.content == b"x" * (64 * 1024 - 5) + TOKEN + b"y" * 100


# --- before the final answer ----------------------------------------------------------------------------------------


async def test_what_was_found_in_an_early_response_is_noted_with_the_final_one() -> None:
    scrubbing = Scrubbing(Knows())
    early = Response(103, Headers([(b"Link", b"</" + REAL + b">")]))
    scrubbing.scrub_head(early)
    traces: list[dict[str, object]] = []

    await scrubbing.scrub(response_of(b"ok", TEXT), LateTrace("secrets", traces))

    assert [*early.headers] == [(b"Link", b"</" + TOKEN + b">")]
    assert traces[0]["annotations"] == {"redacted": found("header:Link")}


class _NoTrace:
    @staticmethod
    def annotate(key: str, value: object) -> None:
        raise AssertionError("nothing was found")
