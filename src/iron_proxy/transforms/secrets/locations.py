"""
Where tokens stand in a request: its header fields, query, path and body, in that order.

Only looks; what is found is changed by `replace.py` once every decision has been made. How a body is looked at is
`body_search.py`; what could not be seen of it is noted, and `settlement.py` decides what follows.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.messages.request import Request
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.basic import decode_basic
from iron_proxy.transforms.secrets.body_search import BodyFindings, look_at_body
from iron_proxy.transforms.secrets.path import tokens_in_path
from iron_proxy.transforms.secrets.plan import Owner, Plan, Scanner
from iron_proxy.transforms.secrets.query import tokens_in_query
from iron_proxy.transforms.secrets.tokens import Span, distinct_tokens

# The entries that one found token may stand for: the first one that has a secret takes its place.
Hit = tuple[Owner, ...]


class FieldToEdit(NamedTuple):
    """A header field that holds tokens, or has to get the operator's spelling."""

    position: int
    scanner: Scanner
    credentials: bytes | None  # what Basic holds, when the spans are in there
    spans: list[Span]


class Findings:
    """What was found in one request."""

    __slots__ = ("body", "fields", "hits", "in_path", "in_query")

    def __init__(self) -> None:
        self.hits: list[Hit] = []  # one per token and place
        self.fields: list[FieldToEdit] = []
        self.in_query = False
        self.in_path = False
        self.body: BodyFindings | None = None  # where it was looked at; what it holds is in `hits` too

    @property
    def body_is_cut(self) -> bool:
        """The body is longer than the proxy may hold: only its beginning was seen."""
        return self.body is not None and self.body.is_cut

    def is_unswapped(self, owner: Owner) -> bool:
        """Whether the token stays in the body because its secret does not fit."""
        return self.body is not None and owner.location == "body" and owner.entry in self.body.unswapped


class SoleToken:
    """The one token of a request, in a header field: its one owner, and where it stands in the field's value."""

    __slots__ = ("end", "noted", "owner", "position", "secret", "sensitive", "start", "swapped", "wire_name")

    def __init__(self, owner: Owner, position: int, start: int, end: int, wire_name: bytes | None) -> None:
        self.owner = owner
        self.position = position  # of the field
        self.start = start
        self.end = end
        self.wire_name = wire_name  # the spelling the field's name is to have
        # The last swap's outcome (see replace.py), and the secret it was for. `noted` is in the records of many.
        self.secret: Secret | None = None
        self.noted: list[dict[str, object]] = []
        self.swapped: Fields | list[Pair] = []
        self.sensitive: frozenset[bytes] = frozenset()


# No header holds a token. What it says of a place means nothing.
NO_TOKEN = SoleToken(cast("Owner", None), 0, 0, 0, None)


def find_sole_token(plan: Plan, fields: Fields | list[Pair]) -> SoleToken | None:
    """
    For plans that look at headers only: the one token, NO_TOKEN, or None when it is not that simple.

    In fields that a connection's requests share it is looked for once.
    """
    if not isinstance(fields, Fields):
        return _look_for_sole_token(plan, fields)
    known: tuple[Plan, SoleToken | None] | None = fields.sole_token
    if known is None or known[0] is not plan:
        known = fields.sole_token = (plan, _look_for_sole_token(plan, fields))
    return known[1]


def _look_for_sole_token(plan: Plan, fields: Fields | list[Pair]) -> SoleToken | None:
    names = plan.names
    sole = NO_TOKEN
    for position, (name, value) in enumerate(fields):
        scanner = names[name] if name in names else plan.header(name)
        if scanner is None:
            continue
        if scanner.is_authorization and value[:1] in b"bB" and decode_basic(value) is not None:
            return None
        match = scanner.search(value)
        if match is None and scanner.wire_name in (None, name):
            continue
        if match is None or sole is not NO_TOKEN or _holds_boundary(name, value):
            return None
        start, end = match.span()
        owners = scanner.owners.get(match[0], ())
        if len(owners) != 1 or (end < len(value) and scanner.search(value, end) is not None):
            return None
        sole = SoleToken(owners[0], position, start, end, scanner.wire_name)
    return sole


async def find_tokens(plan: Plan, request: Request, max_body_bytes: int | None) -> Findings:
    """Look everywhere the plan says. Raises what reading the body raises."""
    findings = Findings()
    _look_at_headers(plan, request.headers.fields, findings)
    if plan.query is not None and request.raw_query:
        _look_at_query(plan.query, request.raw_query, findings)
    if plan.path is not None:
        findings.in_path = _note(plan.path, tokens_in_path(request.raw_path, plan.path.tokens), findings.hits)
    if plan.body is not None and not request.body.is_empty:
        must_be_whole = plan.body.wants_whole or _is_demanded(plan, findings.hits)
        findings.body = await look_at_body(plan.body, request, max_body_bytes, must_be_whole=must_be_whole)
        findings.hits += findings.body.hits
    return findings


def _is_demanded(plan: Plan, hits: list[Hit]) -> bool:
    """Whether an entry requires a token that only the body can still hold."""
    found = {owner.entry for hit in hits for owner in hit}
    return any(
        entry.require and entry not in found and entry.replacement is not None and entry.replacement.in_body
        for entry in plan.entries
    )


def _look_at_headers(plan: Plan, fields: Fields | list[Pair], findings: Findings) -> None:
    names = plan.names  # a look into the dict here: this loop runs for every request
    for index, (name, value) in enumerate(fields):
        scanner = names[name] if name in names else plan.header(name)
        if scanner is None:
            continue
        credentials, spans = _tokens_in_field(scanner, value)
        if spans and _holds_boundary(name, value):
            spans = []
        if spans:
            _note(scanner, distinct_tokens(spans), findings.hits)
        # Parity: a header listed by name gets the operator's spelling whether or not it holds a token.
        if spans or scanner.wire_name not in (None, name):
            findings.fields.append(FieldToEdit(index, scanner, credentials, spans))


def _tokens_in_field(scanner: Scanner, value: bytes) -> tuple[bytes | None, list[Span]]:
    """Basic credentials are looked into; where they hold nothing, the base64 itself may be a token."""
    if scanner.is_authorization:
        credentials = decode_basic(value)
        if credentials is not None:
            spans = scanner.tokens.find(credentials)
            if spans:
                return credentials, spans
    return None, scanner.tokens.find(value)


def _holds_boundary(name: bytes, value: bytes) -> bool:
    """A boundary is written in the body too; changed in one place only, the parts would be lost."""
    return name.lower() == b"content-type" and value[:10].lower() == b"multipart/"


def _look_at_query(scanner: Scanner, raw_query: bytes, findings: Findings) -> None:
    for key, found in tokens_in_query(raw_query, scanner.tokens):
        for token in found:
            owners = scanner.owners.get(token)
            if owners is not None:
                findings.in_query = True
                findings.hits.append(tuple(Owner(owner.entry, f"query:{key}", once=False) for owner in owners))


def _note(scanner: Scanner, found: Iterable[bytes], hits: list[Hit]) -> bool:
    """Add who owns what was found; a token that only shadows others has no owner. Returns whether any has."""
    has_owner = False
    for token in found:
        owners = scanner.owners.get(token)
        if owners is not None:
            hits.append(owners)
            has_owner = True
    return has_owner
