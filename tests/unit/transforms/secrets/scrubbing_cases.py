"""Responses to scrub: an exchange whose request a secret went into, and what comes of a response to it."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.body_source import FakeBodySource
from tests.fakes.secret_source import FakeSource

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Fields, Headers, Pair
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.inject import Formatter, HeaderInjection
from iron_proxy.transforms.secrets.redact import Redactor, SpelledSecret
from iron_proxy.transforms.secrets.scrubbing import Scrubbing

REAL = b"sk-real-openai-key/+?"
TOKEN = b"proxy-openai-abc123"
NAME = "OPENAI_API_KEY"
TEXT: Pair = (b"Content-Type", b"application/json")


def entry_of(name: str = NAME, token: bytes = TOKEN, *, redact: bool = True, label: str = "") -> Entry:
    """An entry in replace mode."""
    return Entry(FakeSource(name), (), Replacement(token), redact_responses=redact, label=label)


def injecting(name: str = NAME) -> Entry:
    """An entry in inject mode."""
    return Entry(FakeSource(name), (), injection=HeaderInjection("Authorization", Formatter()))


def secret_of(value: bytes = REAL, name: str = NAME) -> Secret:
    return Secret(name, value.decode("utf-8", "surrogateescape"))


def redactor_of(entry: Entry | None = None, value: bytes = REAL) -> Redactor:
    return Redactor([SpelledSecret(entry_of() if entry is None else entry, secret_of(value))])


class Knows:
    """Who knows what to look for; `redactor` may be set anew."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self.redactor = redactor or redactor_of()


def response_of(
    pieces: Sequence[bytes] | bytes = (),
    *fields: Pair,
    status: int = 200,
    sized: bool = True,
    here: int | None = None,
    trailers: Sequence[Pair] = (),
    reason: bytes | None = None,
    shared: bool = False,
) -> Response:
    """An upstream's response; its body comes in pieces, of which `here` are at hand."""
    pieces = [pieces] if isinstance(pieces, bytes) else pieces
    source = FakeBodySource([piece for piece in pieces if piece], here=here, trailers=trailers)
    body = Body(source, sum(map(len, pieces)) if sized else None)
    return Response(status, Headers(Fields(fields) if shared else [*fields]), body, reason)


class Scrubbed:
    """What came of a response: as the client gets it, and as the audit record tells it."""

    def __init__(self, verdict: Reject | None, response: Response, traces: list[dict[str, Any]]) -> None:
        self.verdict, self.response, self.traces = verdict, response, traces
        self.content = b""
        self.pieces: list[bytes] = []

    @property
    def redacted(self) -> Any:
        """The annotation, None where there is none."""
        return self.traces[0]["annotations"].get("redacted") if self.traces else None

    async def read(self) -> "Scrubbed":
        """Read the body to its end, as the client would."""
        while piece := await self.response.body.read():
            self.pieces.append(piece)
        self.content = b"".join(self.pieces)
        return self


async def scrubbed(response: Response, redactor: Redactor | None = None) -> Scrubbed:
    """Scrub a response and read it."""
    traces: list[dict[str, Any]] = []
    scrubbing = Scrubbing(Knows(redactor))
    verdict = await scrubbing.scrub(response, LateTrace(scrubbing.name, traces))
    outcome = Scrubbed(verdict, response, traces)
    return await outcome.read() if verdict is None else outcome


def found(*locations: str, count: int | None = None, secret: str = NAME) -> list[dict[str, Any]]:
    """The annotation of one secret."""
    return [{"secret": secret, "locations": [*locations], "count": count or len(locations)}]
