"""Answers of the management API: JSON with a line break at the end, kept by nobody on the way."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer. `content` is anything that msgspec encodes."""
    return Response(
        msgspec.json.encode(content, enc_hook=str) + b"\n",
        status,
        {**_HEADERS, **(headers or {})},
        "application/json",
    )


def error_answer(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, in one sentence."""
    return json_answer({"error": error}, status, headers)
