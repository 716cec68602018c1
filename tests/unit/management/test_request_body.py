"""Bodies of calls: JSON, of a size, in time."""

import asyncio
from collections.abc import Iterator

import pytest
from msgspec import Struct
from starlette.requests import Request
from starlette.types import Message

from iron_proxy.management import request_body as module
from iron_proxy.management.request_body import MAX_BODY_BYTES, BadCall, read_json


class Shape(Struct, forbid_unknown_fields=True):
    a: int


def request(*pieces: bytes, content_type: str = "application/json", ends: bool = True) -> Request:
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": piece, "more_body": not ends or index < len(pieces) - 1}
         for index, piece in enumerate(pieces)]
    )  # fmt: skip

    async def receive() -> Message:
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        return message or {}

    scope = {"type": "http", "headers": [(b"content-type", content_type.encode())]}
    return Request(scope, receive)


async def refused(asked: Request) -> int:
    with pytest.raises(BadCall) as caught:
        await read_json(asked, Shape)
    return caught.value.status


async def test_pieces_make_a_body() -> None:
    assert await read_json(request(b'{"a"', b": 1}"), Shape) == Shape(1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "1"}', b'{"a": 1, "b": 2}', b"\xff"])
async def test_anything_else_is_400(content: bytes) -> None:
    assert await refused(request(content)) == 400


async def test_it_must_say_that_it_is_json() -> None:
    assert await refused(request(b'{"a": 1}', content_type="text/plain")) == 415


async def test_it_has_an_end() -> None:
    assert await refused(request(b" " * MAX_BODY_BYTES, b" ")) == 413


async def test_it_has_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.01)

    assert await refused(request(b"{", ends=False)) == 408


async def test_a_caller_that_leaves_is_no_bug() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await refused(Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)) == 400
