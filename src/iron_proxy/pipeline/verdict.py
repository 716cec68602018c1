"""What a transform decides: a closed union, matched exhaustively wherever it is looked at."""

from dataclasses import dataclass, field

from iron_proxy.messages.response import Response


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with the next transform."""


@dataclass(frozen=True, slots=True)
class Reject:
    """
    Stop here; the client gets `response`, or an empty 403. `reason` is for the audit record, never secret.

    `code` is one word for a client that asks why (`proxy/denials.py` knows them). It says nothing that the client does
    not know about its own request.
    """

    reason: str
    response: Response | None = None
    code: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Stub:
    """Stop here with an answer of the transform's own that counts as a success."""

    response: Response


Verdict = Continue | Reject | Stub

# One shared instance: nearly every transform of nearly every request returns it.
CONTINUE = Continue()
