"""Secrets going out in bodies and coming back in answers: whatever stands around them, and wherever it is cut."""

import json
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.fakes.body_source import FakeBodySource
from tests.fakes.secret_source import FakeSource
from tests.fuzz.targets.splits import splits
from tests.unit.transforms.secrets.building import PiecewiseBody, content_of, exchange_of, send
from tests.unit.transforms.secrets.scrubbing_cases import entry_of, secret_of

from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.transforms.secrets.entries import ENCODINGS, Entry, Replacement
from iron_proxy.transforms.secrets.scrubbers import SentLedger, SentSecrets
from iron_proxy.transforms.secrets.transform import SecretsTransform

# --- coming back ----------------------------------------------------------------------------------------------------

# One holds the other's beginning, and characters that every spelling escapes.
SENT = {"A": b"sk-live_1/+=sk-live", "B": b"sk-live_1/+=sk-live_2", "C": b"-----KEY-----\nAAAA\nBB<B\n-----END-----"}
# Shorter than every secret, and so than every spelling of one.
_SHORTEST = min(map(len, SENT.values()))
_ANSWERS = (b"text/event-stream", b"application/json", b"application/octet-stream")


def check_answer(wire: bytes) -> None:
    """An answer in pieces, as events, JSON or anything: no secret comes through, and the same does at every split."""
    for kind in _ANSWERS:
        whole = _done(_scrubbed(kind, [wire]))
        assert not any(secret in whole for secret in SENT.values())
        for pieces in splits(wire):
            assert _done(_scrubbed(kind, pieces)) == whole
        if len(wire) < _SHORTEST:
            assert whole == wire


def _sent() -> SentSecrets:
    """All of them have gone to the upstream."""
    entries: list[Entry] = [entry_of(name, f"token-of-{name}".encode()) for name in SENT]
    sent = SentLedger().of(frozenset(entries))
    for entry in entries:
        sent.note(entry, secret_of(SENT[entry.name], entry.name))
    return sent


(_SCRUBBER,) = _sent().scrubbers


async def _scrubbed(kind: bytes, pieces: list[bytes]) -> bytes:
    source = FakeBodySource([piece for piece in pieces if piece], here=0)
    response = Response(200, Headers([(b"Content-Type", kind)]), Body(source, None))
    assert await _SCRUBBER.begin().scrub(response, LateTrace("secrets", [])) is None
    out = []
    while piece := await response.body.read():
        out.append(piece)
    return b"".join(out)


# --- going out ------------------------------------------------------------------------------------------------------

SWAPPED = {"tok-1": 'real "a" tok-12', "tok-12": "real\\b&é", "x/ tök": "real-c", "abab": "r%41"}
_LONGEST_FIRST = sorted(SWAPPED, key=len, reverse=True)
_MULTIPART = b'multipart/form-data; boundary="--=b"'
_FORM = b"application/x-www-form-urlencoded"
_TRANSFORM = SecretsTransform(
    [
        Entry(
            FakeSource(token, real),
            (Rule.for_host("api.test"),),
            Replacement(token.encode(), in_body=True, encodings=frozenset(ENCODINGS) - {"base64"}),
        )
        for token, real in SWAPPED.items()
    ],
    1 << 20,
)


def check_request(wire: bytes) -> None:
    """
    A body as parts, a form and JSON: read by another reader, it holds the secrets where the tokens were, nothing else.

    The same at every split, and the length that is stated is true.
    """
    for kind in (_MULTIPART, _FORM, b"application/json"):
        whole = _done(_forwarded(kind, [wire]))
        for pieces in splits(wire):
            assert _done(_forwarded(kind, pieces)) == whole
        if kind is _MULTIPART:
            assert whole == _swapped(wire)
        elif kind is _FORM and wire.lstrip()[:1] not in (b"{", b"["):
            assert _form(whole) == [_swapped(part) for part in _form(wire)]
        elif kind is not _FORM:
            _check_json(wire, whole)


def _check_json(wire: bytes, whole: bytes) -> None:
    try:
        before = json.loads(wire.decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return
    assert json.loads(whole.decode(), object_pairs_hook=tuple) == _swapped_value(before)


def _swapped_value(value: Any) -> Any:
    if isinstance(value, str):
        return _swapped(value.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    if isinstance(value, list | tuple):
        return type(value)(map(_swapped_value, value))
    return value


def _form(body: bytes) -> list[bytes]:
    return [unquote_to_bytes(part.replace(b"+", b" ")) for pair in body.split(b"&") for part in pair.split(b"=")]


def _swapped(text: bytes) -> bytes:
    out, at = b"", 0
    while at < len(text):
        token = next((each for each in _LONGEST_FIRST if text.startswith(each.encode(), at)), None)
        out += text[at : at + 1] if token is None else SWAPPED[token].encode()
        at += 1 if token is None else len(token.encode())
    return out


async def _forwarded(kind: bytes, pieces: list[bytes]) -> bytes:
    size = sum(map(len, pieces))
    body = Body(PiecewiseBody(*(piece for piece in pieces if piece)), size)
    exchange = exchange_of((b"Content-Type", kind), host="api.test", method="POST", body=body)
    assert await send(_TRANSFORM, exchange) is CONTINUE
    content = await content_of(exchange)
    assert exchange.request.body.length == len(content)
    return content


def _done(coroutine: Coroutine[Any, Any, bytes]) -> bytes:
    """What a coroutine gives that waits for nothing: a loop would cost more than all it does."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return bytes(result.value)
    raise AssertionError("it waits, though everything is here")
