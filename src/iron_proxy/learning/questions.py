"""
A record as the question that policy was asked, and what the answer was then.

A question holds what rules look at and nothing else, so that equal ones are asked once. Called by `observations.py`
and `replay.py`. Pure.
"""

import re
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import quote

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.errors import BadRequest
from iron_proxy.messages.ambiguous_path import path_is_ambiguous
from iron_proxy.messages.authority import DEFAULT_PORTS, Target, parse_target
from iron_proxy.pipeline.pipeline import DEFAULT_DENY

OPENING = "CONNECT"
PASSED_THROUGH = ""
_ALLOWLIST = "allowlist"
# Where TLS that is passed through goes, unless it was intercepted (`proxy/sni_passthrough.py`).
_HTTPS_PORT = DEFAULT_PORTS["https"]
# Of an allowlist's reason, in records from before `ambiguous_path` was one of their fields.
_AMBIGUOUS_REASON = "the path is ambiguous"
_SUSPECT = re.compile(r"[%\\;\x00]|//|/\.")


class Question(NamedTuple):
    """
    What is asked of the rules.

    `method` is OPENING for CONNECT and SOCKS5 (then `scheme` is `tunnel`), and PASSED_THROUGH for TLS that nobody
    looks into; neither has a path. `client` is "" for one that is none of those configured.
    """

    target: Target
    scheme: str
    method: str
    path: str
    client: str = ""
    is_ambiguous: bool = False


class Verdict(Enum):
    """What policy says. A request that only a warning let through would be denied by the same rules, enforced."""

    ALLOWED = auto()
    WARNED = auto()
    DENIED = auto()
    UNDECIDED = auto()

    @property
    def lets_through(self) -> bool:
        """Whether the request went on."""
        return self in (Verdict.ALLOWED, Verdict.WARNED)


def question_of(entry: Entry) -> Question | None:
    """The question of a request's record; None when its destination is none, as in one refused for its form."""
    is_passed = entry.mode != "mitm"
    scheme = "https" if entry.sni or is_passed else "http"
    try:
        if entry.method == OPENING:
            return Question(parse_target(_host(entry), None), "tunnel", OPENING, "", entry.client)
        if is_passed:
            return Question(_passed_target(entry), "https", PASSED_THROUGH, "", entry.client)
        target = parse_target(_host(entry), DEFAULT_PORTS[scheme])
    except (BadRequest, UnicodeEncodeError):
        return None
    if not entry.method:
        return None
    return Question(target, scheme, entry.method, entry.path, entry.client, _is_ambiguous(entry))


def past_verdict(entry: Entry) -> Verdict:
    """
    What the allowlist of its time said about a request.

    UNDECIDED where it was not asked, or was not the one that decided: a request that was malformed, that another
    transform answered first, or whose client left before.
    """
    asked = [trace for trace in entry.traces if trace.name == _ALLOWLIST]
    if entry.action == "allow":
        let_through = True
    elif entry.action == "reject" and entry.rejected_by in (_ALLOWLIST, DEFAULT_DENY):
        let_through = False
    elif asked and entry.action in ("reject", "stub", "error", "client_cancel"):
        let_through = all(trace.action == "continue" for trace in asked)
    else:
        return Verdict.UNDECIDED
    if not let_through:
        return Verdict.DENIED
    warned = any((trace.annotations or {}).get("action") == "warn" for trace in asked)
    return Verdict.WARNED if warned else Verdict.ALLOWED


def _host(entry: Entry) -> bytes:
    return entry.host.encode("ascii")


def _passed_target(entry: Entry) -> Target:
    if not entry.original_destination or entry.tunnel is not None:
        return parse_target(_host(entry), _HTTPS_PORT)
    original = parse_target(entry.original_destination.encode("ascii"), _HTTPS_PORT)
    return parse_target(_host(entry), original.port)


def _is_ambiguous(entry: Entry) -> bool:
    """Whether the path could be read in two ways. A decoded path shows some of what makes it so."""
    if entry.ambiguous_path or entry.reason.endswith(_AMBIGUOUS_REASON):
        return True
    if any((trace.annotations or {}).get("ambiguous_path") is True for trace in entry.traces):
        return True
    if _SUSPECT.search(entry.path) is None:
        return False
    return path_is_ambiguous(quote(entry.path, safe="/", errors="replace").encode("ascii"))
