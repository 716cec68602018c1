"""
What a client is told when policy says no: an empty 403, or the reason and the rule that would let the request pass.

The long form (RFC 9457, `application/problem+json`) is for who asks for it with `Accept`, and for everybody with
`proxy.denial_body: explain`. It says nothing about the policy but how it judged this one request, and everything else
in it is what the client sent. A transform's own answer is never replaced. Called by `handler.py` and
`tunnel_policy.py`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from iron_proxy.messages.authority import DEFAULT_PORTS, Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.messages.response import Response

PROBLEM = b"application/problem+json"
# RFC 9457 section 3.1.1: what kind of problem it is. Nothing is to be found there, so it is no address.
TYPE_PREFIX = "urn:iron-proxy:denial:"
# The code of a denial that no rule of an allowlist would change; a transform's reason may name what it guards.
OTHER = "denied"
ADDRESS_DENIED = "address_denied"

# What each code means, in words for whoever runs into it.
DETAILS = {
    "host_not_allowed": "No rule of this proxy allows the host.",
    "port_not_allowed": "The host is allowed, but not on this port.",
    "scheme_not_allowed": "The host is allowed, but not with this scheme.",
    "method_or_path_not_allowed": "The host is allowed, but not with this method and path.",
    "client_not_allowed": "The host is allowed, but not to this client.",
    "ambiguous_path": "The path can be read in more than one way; write it without escapes and double slashes.",
    "no_allowlist": "This proxy has no allowlist, so it allows nothing.",
    ADDRESS_DENIED: "The host's address is one that this proxy never connects to.",
    OTHER: "A rule of this proxy refuses the request.",
}
# Codes that a rule more would change.
_HINTED = frozenset((
    "host_not_allowed", "port_not_allowed", "scheme_not_allowed", "method_or_path_not_allowed", "client_not_allowed"
))  # fmt: skip
# A hint is for reading and copying; longer paths are made by programs.
_MAX_HINTED_PATH = 512
_WILDCARD = re.compile(r"([*?\[\\])")
_Q_IS_ZERO = re.compile(rb"q=0(?:\.0{0,3})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Denied:
    """The request that was denied. `path` is decoded; "" is a tunnel, which has none."""

    target: Target
    scheme: str
    method: str
    path: str
    client_name: str = ""

    @property
    def host(self) -> str:
        """Where it should have gone, as a person writes it."""
        return self.target.host_text(self.scheme)


def explained(status: int, code: str, denied: Denied, request_id: str = "") -> Response:
    """The long form. An unknown code is told as `denied`."""
    code = code if code in DETAILS else OTHER
    problem: dict[str, object] = {
        "type": TYPE_PREFIX + code,
        "title": "Denied by the egress policy",
        "status": status,
        "detail": DETAILS[code],
        "code": code,
        "host": denied.host,
    }
    # A rule for a client that has no name would be one for all.
    is_hinted = code in _HINTED and (denied.client_name or code != "client_not_allowed")
    hint = rule_hint(denied) if is_hinted else ""
    if hint:
        problem["rule"] = hint
    if request_id:
        problem["request_id"] = request_id
    fields = [
        (b"Content-Type", PROBLEM),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
        (b"Proxy-Status", _proxy_status(code)),
    ]
    return Response(status, Headers(fields), Body.of(json.dumps(problem, ensure_ascii=False).encode() + b"\n"))


def _proxy_status(code: str) -> bytes:
    """RFC 9209. Clients throw the body of a refused CONNECT away, and some show the fields."""
    error = "destination_ip_prohibited" if code == ADDRESS_DENIED else "http_request_denied"
    return f'iron-proxy; error={error}; details="{code}"'.encode("ascii")


def asks_for_explanation(fields: Iterable[Pair]) -> bool:
    """Whether Accept (RFC 9110 section 12.5.1) names the media type itself: `*/*` is what every client says."""
    return any(_names_problem(value) for name, value in fields if name.lower() == b"accept")


def _names_problem(value: bytes) -> bool:
    for element in value.split(b","):
        kind, *parameters = (part.strip(b" \t") for part in element.split(b";"))
        if kind.lower() == PROBLEM and not any(map(_Q_IS_ZERO.fullmatch, parameters)):
            return True
    return False


# --- the rule that would allow it -----------------------------------------------------------------------------------


def rule_hint(denied: Denied) -> str:
    """
    One element of an allowlist's `rules:`, in YAML's flow style, that fits this request and is no wider.

    Empty where the path cannot be written down without doubt.
    """
    target = denied.target
    rule: dict[str, object] = {"host": target.host}
    if denied.method == "*":                       # a method's name to HTTP, and any method to a rule
        return ""
    if denied.method and denied.method != "CONNECT":
        rule["methods"] = [denied.method]
    if denied.path:
        pattern = _path_pattern(denied.path)
        if pattern is None:
            return ""
        rule["paths"] = [pattern]
    if target.port != DEFAULT_PORTS.get(denied.scheme):
        rule["ports"] = [target.port]
    if denied.client_name:
        rule["clients"] = [denied.client_name]
    return "- " + json.dumps(rule, ensure_ascii=False)


def _path_pattern(path: str) -> str | None:
    if len(path) > _MAX_HINTED_PATH or not path.isprintable() or "\ufffd" in path or not path.startswith("/"):
        return None
    return _WILDCARD.sub(r"\\\1", path)
