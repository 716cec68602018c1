"""How much of a body is looked at, what is taken off it, and what is found."""

import gzip
import json
from base64 import b64encode

import pytest
from tests.unit.transforms.secrets.building import (
    REAL,
    TOKEN,
    PiecewiseBody,
    content_of,
    exchange_of,
    replacing,
    send,
    swapped,
)

from iron_proxy.messages.body import Body
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.transforms.secrets.body_search import MOST_TOKENS

REAL_BYTES = REAL.encode()
QUOTED = 'sk-"real"&é'
JSON = (b"Content-Type", b"application/json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
GZIP = (b"Content-Encoding", b"gzip")
GRPC = (b"Content-Type", b"application/grpc+proto")
ESCAPED = b"\\u0070" + TOKEN[1:]


async def test_a_secret_is_escaped_in_json() -> None:
    exchange = exchange_of(JSON, body=b'{"a": "' + ESCAPED + b'", "b": "' + TOKEN + b'"}')

    await send(replacing("match_body: true", environment={"OPENAI_API_KEY": QUOTED}), exchange)

    assert json.loads(await content_of(exchange)) == {"a": QUOTED, "b": QUOTED}
    assert exchange.notes == swapped("body")


async def test_a_secret_is_percent_encoded_in_a_form() -> None:
    exchange = exchange_of(FORM, body=b"a=%20&b=%70" + TOKEN[1:] + b"&c=" + TOKEN + b"&d=%zz+")

    await send(replacing("match_body: true", environment={"OPENAI_API_KEY": QUOTED}), exchange)

    real = b"sk-%22real%22%26%C3%A9"
    assert await content_of(exchange) == b"a=%20&b=" + real + b"&c=" + real + b"&d=%zz+"


@pytest.mark.parametrize(
    ("header", "body"),
    [(JSON, b'"' + ESCAPED + b'"'), (FORM, b"a=%70" + TOKEN[1:]), (JSON, b'"' + b64encode(TOKEN) + b'"')],
    ids=["json", "form", "base64"],
)
async def test_an_entry_says_how_bodies_may_hide_its_token(header: tuple[bytes, bytes], body: bytes) -> None:
    without, demanding = (exchange_of(header, body=body) for _ in range(2))

    await send(replacing("match_body: true, encodings: []"), without)
    refused = await send(replacing("match_body: true, encodings: [compressed], require: true"), demanding)

    assert (await content_of(without), without.notes) == (body, {})
    assert isinstance(refused, Reject)


async def test_base64_is_looked_into_where_the_entry_says_so() -> None:
    exchange = exchange_of(JSON, body=b'{"auth": "' + b64encode(b"user:" + TOKEN) + b'", "k": "' + TOKEN + b'"}')

    await send(replacing("match_body: true, encodings: [base64]"), exchange)

    assert json.loads(await content_of(exchange)) == {"auth": b64encode(b"user:" + REAL_BYTES).decode(), "k": REAL}


async def test_a_body_that_may_hold_base64_is_waited_for() -> None:
    exchange = exchange_of(JSON, body=Body(PiecewiseBody(b'"', b64encode(TOKEN), b'"'), None))

    await send(replacing("match_body: true, encodings: [base64]"), exchange)

    assert await content_of(exchange) == b'"' + b64encode(REAL_BYTES) + b'"'


# --- content codings --------------------------------------------------------------------------------------------------


async def test_a_compressed_body_is_decoded_swapped_and_coded_again() -> None:
    exchange = exchange_of(GZIP, JSON, body=gzip.compress(b'{"k": "' + ESCAPED + b'"}'))

    await send(replacing("match_body: true, require: true"), exchange)

    content = await content_of(exchange)
    assert gzip.decompress(content) == b'{"k": "' + REAL_BYTES + b'"}'
    assert exchange.request.body.length == len(content)
    assert exchange.notes == swapped("body")


async def test_a_compressed_body_without_the_token_keeps_its_bytes() -> None:
    body = gzip.compress(b"nothing", 9)
    exchange = exchange_of(GZIP, body=body)

    await send(replacing("match_body: true"), exchange)

    assert (await content_of(exchange), exchange.notes) == (body, {})


@pytest.mark.parametrize(
    ("keys", "body"),
    [
        ("encodings: [json]", gzip.compress(TOKEN)),
        ("encodings: [compressed]", gzip.compress(TOKEN)[:-4]),
        ("encodings: [compressed]", b"not gzip " + TOKEN),
    ],
    ids=["not wanted", "cut short", "not what it says"],
)
async def test_what_cannot_be_decoded_counts_as_unseen(keys: str, body: bytes) -> None:
    optional, demanding = (exchange_of(GZIP, body=body) for _ in range(2))

    assert await send(replacing(f"match_body: true, {keys}"), optional) is CONTINUE
    assert isinstance(await send(replacing(f"match_body: true, require: true, {keys}"), demanding), Reject)

    assert (await content_of(optional), optional.notes) == (body, {})
    assert demanding.notes["reject_reason"] == "encoded_body"


async def test_what_swells_beyond_the_limit_is_too_large() -> None:
    exchange = exchange_of(GZIP, body=gzip.compress(b"x" * 1000 + TOKEN))

    verdict = await send(replacing("match_body: true, require: true", limit=500), exchange)

    assert isinstance(verdict, Reject)
    assert exchange.notes["reject_reason"] == "body_too_large"


# --- what must not be torn apart --------------------------------------------------------------------------------------


async def test_a_boundary_that_holds_a_token_stays_in_the_field_and_in_the_body() -> None:
    boundary = b"x" + TOKEN
    part = b"--" + boundary + b'\r\nContent-Disposition: form-data; name="k"\r\n\r\n%b\r\n'
    exchange = exchange_of(
        (b"Content-Type", b'multipart/form-data; boundary="' + boundary + b'"'),
        (b"X-Key", TOKEN),
        body=part % TOKEN + b"--" + boundary + b"--\r\n",
    )

    await send(replacing("match_body: true"), exchange)

    assert await content_of(exchange) == part % REAL_BYTES + b"--" + boundary + b"--\r\n"
    assert exchange.request.headers.get(b"content-type") == b'multipart/form-data; boundary="' + boundary + b'"'
    assert exchange.notes == swapped("header:X-Key", "body")


async def test_a_boundary_is_no_place_for_a_token_where_only_headers_are_searched() -> None:
    exchange = exchange_of((b"Content-Type", b"multipart/mixed; boundary=" + TOKEN), body=b"--" + TOKEN)

    await send(replacing(""), exchange)

    assert exchange.request.headers.get(b"content-type") == b"multipart/mixed; boundary=" + TOKEN
    assert exchange.notes == {}


@pytest.mark.parametrize("real", ["another-length", "x" * len(TOKEN)], ids=["another length", "the same length"])
async def test_a_grpc_message_keeps_the_lengths_that_are_written_in_it(real: str) -> None:
    message = b"\x00\x00\x00\x00\x15\x0a\x13" + TOKEN
    exchange = exchange_of(GRPC, body=message)

    await send(replacing("match_body: true", environment={"OPENAI_API_KEY": real}), exchange)

    fits = len(real) == len(TOKEN)
    assert await content_of(exchange) == (message.replace(TOKEN, real.encode()) if fits else message)
    assert exchange.notes == (swapped("body") if fits else {"token_unswapped": ["body"]})


TOO_MANY = {
    "json": (JSON, b'["' + TOKEN * 5000 + b'"]', ""),
    "form": (FORM, b"a=" + TOKEN * 5000, ""),
    "base64": (JSON, b",".join([b64encode(TOKEN)] * 5000), ", encodings: [base64]"),
    "compressed": (GZIP, gzip.compress(TOKEN * 5000), ""),
}


@pytest.mark.parametrize(("header", "body", "keys"), TOO_MANY.values(), ids=TOO_MANY)
async def test_a_body_made_of_tokens_is_refused(header: tuple[bytes, bytes], body: bytes, keys: str) -> None:
    exchange = exchange_of(header, body=body)

    verdict = await send(replacing(f"match_body: true{keys}"), exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is not None
    assert verdict.response.status == 413
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "too_many_tokens"}


async def test_as_many_tokens_as_may_be_are_swapped() -> None:
    exchange = exchange_of(body=TOKEN * MOST_TOKENS)

    assert await send(replacing("match_body: true"), exchange) is CONTINUE
    assert await content_of(exchange) == REAL_BYTES * MOST_TOKENS


async def test_base64_in_which_a_token_stands_plainly_is_not_decoded() -> None:
    """In the rest of such a text a swap would be written twice."""
    plain, coded = b"x" + TOKEN.replace(b"-", b"") + b"y", b64encode(TOKEN)
    exchange = exchange_of(body=coded + b" " + TOKEN + b" " + plain + b" " + coded + b"." + TOKEN)

    await send(replacing("match_body: true, encodings: [base64]"), exchange)

    in_base64 = b64encode(REAL_BYTES)
    assert await content_of(exchange) == b" ".join([in_base64, REAL_BYTES, plain, in_base64 + b"." + REAL_BYTES])
