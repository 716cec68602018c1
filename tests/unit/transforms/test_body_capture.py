"""The beginning of a body is copied; the body itself arrives whole."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.errors import ClientDisconnected
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import BodyCapture, Exchange
from iron_proxy.pipeline.transform import RequestTransform, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.transforms.body_capture import DEFAULT_CAPTURE_BYTES, build


class Pieces:
    """A body source that delivers pieces, then ends, or fails for good."""

    def __init__(self, *pieces: bytes, fails: bool = False) -> None:
        self.trailers: list[Pair] = []
        self._pieces = list(pieces)
        self._fails = fails

    async def read_body(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._fails:
            raise ClientDisconnected("the client closed the connection within the body")
        return b""

    def read_body_nowait(self) -> bytes | None:
        return None


def transform_of(yaml: str, max_request_body_bytes: int | None = None) -> RequestTransform:
    section = parse_config(yaml, "test.yaml")
    transform = build(section, TransformContext(environment={}, max_request_body_bytes=max_request_body_bytes))
    section.problems.raise_if_any()
    return transform


def exchange_with(body: Body, host: str = "api.test", raw_path: bytes = b"/") -> Exchange:
    return Exchange(Request("POST", "https", Target(host, 443), raw_path, body=body))


async def forwarded(exchange: Exchange) -> bytes:
    pieces = []
    while piece := await exchange.request.body.read():
        pieces.append(piece)
    return b"".join(pieces)


RULES = "rules: [{host: api.test}]\n"
CAPPED = RULES + "max_request_body_bytes: 32\n"


@pytest.mark.parametrize(
    ("content", "cap", "text", "truncated"),
    [
        pytest.param(b'{"a": 1}', 32, '{"a": 1}', False, id="a whole body"),
        pytest.param(b"x" * 32, 32, "x" * 32, False, id="exactly the cap"),
        pytest.param(b"x" * 100, 32, "x" * 32, True, id="longer than the cap"),
        pytest.param("ab€".encode(), 4, "ab", True, id="a character is not cut"),
        pytest.param("a😀b".encode(), 4, "a", True, id="a character of four bytes is not cut"),
        pytest.param("ab€c".encode(), 5, "ab€", True, id="a whole last character stays"),
        pytest.param(b"a\xff\xfe\xfd\xfc\xfb", 5, "a\ufffd", True, id="of bytes that are no text at most three go"),
        pytest.param(b"a\xff", 4, "a\ufffd", False, id="a whole body that is no text"),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1000], ids=["byte by byte", "in threes", "at once"])
async def test_the_beginning_is_captured(content: bytes, cap: int, text: str, truncated: bool, step: int) -> None:
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    exchange = exchange_with(Body(Pieces(*pieces), None))

    verdict = await transform_of(RULES + f"max_request_body_bytes: {cap}\n").on_request(exchange)

    assert verdict is CONTINUE
    assert exchange.body_capture == BodyCapture(text, truncated)
    assert exchange.notes["truncated"] is truncated
    assert await forwarded(exchange) == content


async def test_the_number_of_bytes_is_counted_after_the_cut() -> None:
    exchange = exchange_with(Body.of("ab€".encode()))

    await transform_of(RULES + "max_request_body_bytes: 4\n").on_request(exchange)

    assert exchange.notes == {"captured_bytes": 2, "truncated": True}


async def test_a_large_upload_arrives_whole_and_its_length_is_kept() -> None:
    pieces = [bytes([number]) * 65536 for number in range(48)]
    exchange = exchange_with(Body(Pieces(*pieces), 48 * 65536))

    await transform_of(RULES).on_request(exchange)

    assert exchange.notes["truncated"] is True
    assert exchange.request.body.length == 48 * 65536
    assert await forwarded(exchange) == b"".join(pieces)


async def test_the_proxys_own_limit_cuts_the_copy_and_is_flagged() -> None:
    exchange = exchange_with(Body.of(b"hello world"))

    await transform_of(RULES, max_request_body_bytes=5).on_request(exchange)

    assert exchange.body_capture == BodyCapture("hello", truncated=True)
    assert await forwarded(exchange) == b"hello world"


@pytest.mark.parametrize("cap", ["", "max_request_body_bytes: 0\n", "max_request_body_bytes: -1\n"])
async def test_without_a_cap_of_its_own_it_takes_the_default(cap: str) -> None:
    exchange = exchange_with(Body.of(b"x" * (DEFAULT_CAPTURE_BYTES + 1)))

    await transform_of(RULES + cap).on_request(exchange)

    assert exchange.notes == {"captured_bytes": 16384, "truncated": True}


@pytest.mark.parametrize(
    "body",
    [pytest.param(Body.empty(), id="no body"), pytest.param(Body(Pieces(), None), id="a body that turns out empty")],
)
async def test_an_empty_body_leaves_nothing(body: Body) -> None:
    exchange = exchange_with(body)

    await transform_of(CAPPED).on_request(exchange)

    assert exchange.body_capture is None
    assert exchange.notes == {}


@pytest.mark.parametrize("yaml", ["rules: [{host: other.test}]", "rules: []", "{}"])
async def test_what_no_rule_covers_is_not_even_read(yaml: str) -> None:
    exchange = exchange_with(Body(Pieces(b"content"), None))

    await transform_of(yaml).on_request(exchange)

    assert exchange.body_capture is None
    assert exchange.request.body.is_untouched


async def test_an_ambiguous_path_does_not_escape_the_record() -> None:
    exchange = exchange_with(Body.of(b"content"), raw_path=b"//v1/x")

    await transform_of("rules: [{host: api.test, paths: [/v1/*]}]").on_request(exchange)

    assert exchange.body_capture == BodyCapture("content", truncated=False)


async def test_a_body_that_breaks_off_is_noted_and_still_breaks_off() -> None:
    exchange = exchange_with(Body(Pieces(b"half", fails=True), None))

    verdict = await transform_of(CAPPED).on_request(exchange)

    assert verdict is CONTINUE
    assert exchange.body_capture is None
    assert exchange.notes == {"body_capture_error": "the client closed the connection within the body"}
    with pytest.raises(ClientDisconnected):
        await forwarded(exchange)


def test_what_is_wrong_is_told_with_its_place() -> None:
    section = parse_config("max_request_body_bytes: many\nrule: []\n", "test.yaml")

    build(section, TransformContext(environment={}, max_request_body_bytes=None))

    assert section.problems.errors == [
        "test.yaml:1: max_request_body_bytes: must be a whole number",
        'test.yaml:2: rule: unknown key (did you mean "rules"?)',
    ]
