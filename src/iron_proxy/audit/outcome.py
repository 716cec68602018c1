"""How an exchange ended: a closed union. The record's action, status, level and reason are read from it, only here."""

from dataclasses import dataclass
from typing import assert_never

# A record that says nothing else is one we failed to reach: a bug, or a cancellation in the middle.
UNEXPECTED_REASON = "internal error"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Forwarded, and answered in full."""

    status: int


# One instance per status: nearly every exchange ends with one of a few.
_ALLOWED = {status: Allowed(status) for status in (101, 200, 201, 204, 301, 302, 304, 400, 401, 404)}


def allowed(status: int) -> Allowed:
    """The outcome of an exchange that was forwarded and answered in full."""
    return _ALLOWED.get(status) or Allowed(status)


@dataclass(frozen=True, slots=True)
class Rejected:
    """
    Refused by policy (`by` a transform) or as a bad request (`by` is None).

    `code` is the reason in one word for programs (`pipeline/verdict.py`); "" where the transform has none.
    """

    status: int
    reason: str
    by: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Stubbed:
    """Answered by a transform in the upstream's place."""

    status: int
    by: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something broke: the upstream, a transform, or ourselves."""

    status: int
    error: str


@dataclass(frozen=True, slots=True)
class ClientGone:
    """The client left before it had its answer."""


Outcome = Allowed | Rejected | Stubbed | Failed | ClientGone


def action_of(outcome: Outcome) -> tuple[str, int, str]:
    """(action, status code, log level) as the audit contract words them."""
    match outcome:
        case Allowed(status):
            return "allow", status, "INFO"
        case Rejected(status):
            return "reject", status, "WARN"
        case Stubbed(status):
            return "stub", status, "INFO"
        case Failed(status):
            return "error", status, "ERROR"
        case ClientGone():
            return "client_cancel", 200, "INFO"         # Parity: upstream writes 200 for a client that left
        case _:
            assert_never(outcome)
