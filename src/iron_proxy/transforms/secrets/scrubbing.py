"""
One exchange's response without the secrets that its upstream was given: reason, header fields, body, trailers.

A small answer that is here already and holds nothing passes untouched. A short text whose length is known is waited for
and may change its length; everything else streams, and keeps each length that has been promised or that its format may
count. What cannot be looked into is refused. What was found is noted for the audit record, also while the body is on
its way to the client.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.transforms.secrets.answer_shape import (
    AnswerShape,
    forget_codings,
    forget_digests,
    shape_of,
    shape_of_fields,
)
from iron_proxy.transforms.secrets.redact import Redactor
from iron_proxy.transforms.secrets.scrubbed_body import DecodedBody, ScrubbedBody
from iron_proxy.transforms.secrets.streaming import LiveReplacement, Replacer

# A text of a known length up to this is waited for, so that it can be scrubbed in its natural length: the client reads
# the very token that it has sent. It is what one read of a connection brings, and no stream of events has a length.
WHOLE_BYTES = 64 * 1024

_UNKNOWN_CODING = "the answer is in a coding that is not known here, so secrets in it could not be found"
_CODED_PART = "the answer is a part of a coded body, so secrets in it could not be found"
_COMPRESSED_MESSAGES = "the answer's messages are compressed, so secrets in them could not be found"


class Known(Protocol):
    """Who knows what has to be looked for. It may become more at any time."""

    @property
    def redactor(self) -> Redactor:
        """What to look for now; the same object as long as it is the same."""
        ...


class ResponseScrubber:
    """Looks for the secrets that are known at the time. Follows `Scrubber` in `pipeline/scrub.py`."""

    __slots__ = ("_known",)

    def __init__(self, known: Known) -> None:
        self._known = known

    def finds_nothing(self, response: Response) -> bool:
        """Whether it is certain now that the response can go as it is."""
        redactor = self._known.redactor
        shortest = redactor.shortest
        fields = response.headers.fields
        shape: AnswerShape | None = fields.answer_shape if type(fields) is Fields else None
        if shape is None or shape.redactor is not redactor:
            shape = shape_of(response.headers, redactor)
        reason = response.reason
        if not shape.is_clean or (len(reason) >= shortest and _is_in_reason(redactor, reason)):
            return False
        body = response.body
        if body.length == 0:
            return True
        if shape.must_be_decoded:
            return False
        content = body.gather_nowait(WHOLE_BYTES)
        if content is None or (len(content) >= shortest and redactor.natural.first_match(content) is not None):
            return False
        trailers = body.trailers                  # all of them: what was gathered is the whole body
        return not trailers or shape_of_fields(trailers, redactor).is_clean

    def begin(self) -> "Scrubbing":
        """The scrubbing of one exchange."""
        return Scrubbing(self._known)


class Scrubbing:
    """One exchange's. Follows `Scrub` in `pipeline/scrub.py`."""

    name = "secrets"

    __slots__ = ("_found", "_known", "_trace")

    def __init__(self, known: Known) -> None:
        self._known = known
        self._found: list[dict[str, Any]] = []    # as it is annotated: one dict per secret
        self._trace: LateTrace | None = None

    @property
    def _redactor(self) -> Redactor:
        return self._known.redactor

    async def scrub(self, response: Response, trace: LateTrace) -> Reject | None:
        """Scrub a response, or refuse it. Raises UpstreamError when its body cannot be read."""
        self._trace = trace
        if self._found:                           # in what came before this response
            trace.annotate("redacted", self._found)
        shape = shape_of(response.headers, self._redactor)
        self.scrub_head(response)
        if response.body.is_empty:
            return None
        sentence = _unreadable(shape, response.status)
        if sentence is not None:
            trace.annotate("reject_reason", "coded_response")
            return Reject(sentence, plain_text(502, sentence))
        await self._scrub_body(response, shape)
        return None

    def scrub_head(self, response: Response) -> None:
        """The reason and the header fields, of a final answer or of one before it."""
        if _is_in_reason(self._redactor, response.reason):
            replacement = self._redactor.natural.stream()
            response.reason = replacement.whole(response.reason)
            self._note("reason", replacement.counts)
        if not shape_of(response.headers, self._redactor).is_clean:
            response.headers.fields = self._scrub_fields(response.headers.fields, "header")

    async def _scrub_body(self, response: Response, shape: AnswerShape) -> None:
        body = response.body
        if shape.codings:
            forget_codings(response.headers)
            decoded = DecodedBody(body, make_decoder(shape.codings))
            response.body = Body(self._scrubbed(decoded, keeps_length=not shape.is_text), None)
            return
        may_change_length = shape.is_text and response.status != 206    # Content-Range counts bytes
        if may_change_length and body.length is not None and body.length <= WHOLE_BYTES:
            await self._scrub_whole(response)
            body = response.body
            if not body.trailers:
                return
        keeps_length = not may_change_length or body.length is not None
        response.body = Body(self._scrubbed(body, keeps_length=keeps_length), body.length)

    async def _scrub_whole(self, response: Response) -> None:
        content, _ = await response.body.peek(WHOLE_BYTES)
        replacement = self._redactor.natural.stream()
        scrubbed = replacement.whole(content)
        if scrubbed is not content:
            response.body.replace(scrubbed)
            forget_digests(response.headers)
            self._note("body", replacement.counts)

    def _scrubbed(self, pieces: Body | DecodedBody, *, keeps_length: bool) -> ScrubbedBody:
        known = self._known

        def replacer() -> Replacer:
            return known.redactor.in_place if keeps_length else known.redactor.natural

        return ScrubbedBody(pieces, LiveReplacement(replacer), self._note_in_body, self._scrub_trailers)

    def _scrub_trailers(self, trailers: Sequence[Pair]) -> list[Pair]:
        return self._scrub_fields(trailers, "trailer")

    def _scrub_fields(self, fields: Sequence[Pair], place: str) -> list[Pair]:
        replacement = self._redactor.natural.stream()
        scrubbed = []
        for name, value in fields:
            owner = self._redactor.owner_in(name)
            if owner is not None:  # no other name would mean what this one does: the field goes
                self._count(owner, f"{place} name", 1)
                continue
            scrubbed.append((name, replacement.whole(value)))
            if replacement.counts:
                self._note(f"{place}:{name.decode('latin-1')}", replacement.counts)
        return scrubbed

    # --- what was found ---------------------------------------------------------------------------------------------

    def _note_in_body(self, counts: dict[bytes, int]) -> None:
        self._note("body", counts)

    def _note(self, location: str, counts: dict[bytes, int]) -> None:
        """Add to what is annotated, which the audit record shows as it is when the exchange has ended."""
        names = self._redactor.names
        for needle, count in counts.items():
            self._count(names[needle], location, count)
        counts.clear()

    def _count(self, name: str, location: str, count: int) -> None:
        found = self._entry_for(name)
        found["count"] += count
        if location not in found["locations"]:
            found["locations"].append(location)
        if self._trace is not None:
            self._trace.annotate("redacted", self._found)

    def _entry_for(self, name: str) -> dict[str, Any]:
        for found in self._found:
            if found["secret"] == name:
                return found
        self._found.append({"secret": name, "locations": [], "count": 0})
        return self._found[-1]


def _is_in_reason(redactor: Redactor, reason: bytes) -> bool:
    return len(reason) >= redactor.shortest and redactor.natural.first_match(reason) is not None


def _unreadable(shape: AnswerShape, status: int) -> str | None:
    if shape.codings is None:
        return _UNKNOWN_CODING
    if shape.codings and status == 206:
        return _CODED_PART
    return _COMPRESSED_MESSAGES if shape.has_opaque_messages else None
