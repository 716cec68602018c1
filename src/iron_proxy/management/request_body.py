"""The body of a management call: JSON of a known shape, of bounded size, in bounded time."""

import asyncio
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

# A request to explain may have a body of its own as large as what transforms look at by default, in JSON.
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
BODY_SECONDS: Final = 10.0

Shape = TypeVar("Shape")


class BadCall(Exception):
    """A call that makes no sense, with its status and a sentence."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


async def read_json(request: Request, shape: type[Shape]) -> Shape:
    """The body as a value of this shape. Raises BadCall."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise BadCall(415, "send JSON, with Content-Type: application/json")
    try:
        return msgspec.json.decode(await _content(request), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadCall(400, f"the body is not what is expected: {error}") from error


async def _content(request: Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                content += piece
                if len(content) > MAX_BODY_BYTES:
                    raise BadCall(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    except TimeoutError as error:
        raise BadCall(408, "the body did not arrive in time") from error
    except ClientDisconnect as error:
        raise BadCall(400, "the caller went away") from error
    return bytes(content)
