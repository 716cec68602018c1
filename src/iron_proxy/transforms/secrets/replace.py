"""
Replace mode: proxy tokens become secrets, in place, once everything has been decided.

One of the few places where a secret's text is revealed. A secret that cannot stand where its token stood fails the
request with an error that names the source and the remedy, never the value.
"""

from collections.abc import Mapping

from iron_proxy.errors import TransformError
from iron_proxy.messages.headers import Fields, InvalidHeader, Pair, check_field
from iron_proxy.messages.request import Request
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.base64_text import Base64Text
from iron_proxy.transforms.secrets.basic import with_credentials
from iron_proxy.transforms.secrets.body_search import BodyFindings
from iron_proxy.transforms.secrets.body_spellings import PLAIN, Spelling
from iron_proxy.transforms.secrets.digests import renewed
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.locations import FieldToEdit, Findings, SoleToken
from iron_proxy.transforms.secrets.path import has_dot_segment, replace_in_path
from iron_proxy.transforms.secrets.plan import BodyScanner, Plan, Scanner
from iron_proxy.transforms.secrets.query import replace_in_query
from iron_proxy.transforms.secrets.redact import readable
from iron_proxy.transforms.secrets.tokens import Span, replace_spans
from iron_proxy.transforms.secrets.unfit import unfit_for_header, unfit_for_path

Secrets = Mapping[Entry, Secret]

# An API key adds some fifty bytes, a key file some thousand, and a request holds a few of them. A file source may
# yield a megabyte, for each token of twenty bytes.
MAX_GROWTH = 16 * 1024 * 1024


def swap_tokens(plan: Plan, request: Request, findings: Findings, secrets: Secrets) -> None:
    """
    Put the secrets in the place of what was found; tokens without one stay. Raises TransformError.

    A body that was not seen whole is not changed here, but on its way: `swapped_body.py`.
    """
    for field in findings.fields:
        _swap_in_field(request, field, secrets)
    if findings.in_query and plan.query is not None and request.raw_query is not None:
        swaps = _Swaps(plan.query, secrets)
        request.raw_query = replace_in_query(request.raw_query, plan.query.tokens, swaps)
    if findings.in_path and plan.path is not None:
        _swap_in_path(request, plan.path, secrets)
    if plan.body is not None and findings.body is not None and findings.body.hits and not findings.body.is_cut:
        _swap_in_body(request, plan.body, findings.body, secrets)


def prepare_swap(request: Request, found: SoleToken, secret: Secret) -> None:
    """
    What the swap of a request's only token, in its header field, comes to: kept with what was found.

    Raises TransformError when the secret is unfit.
    """
    name = request.headers.fields[found.position][0]
    found.swapped = _with_secret(request.headers.fields, found, secret)
    found.sensitive = frozenset(((found.wire_name or name).lower(),))
    found.noted = [{"secret": found.owner.entry.name, "locations": [found.owner.location]}]
    found.secret = secret


def _with_secret(fields: Fields | list[Pair], found: SoleToken, secret: Secret) -> Fields | list[Pair]:
    name, value = fields[found.position]
    name = found.wire_name or name
    value = value[: found.start] + secret.reveal().encode("utf-8", "surrogateescape") + value[found.end :]
    try:
        check_field(name, value)
    except InvalidHeader:
        raise unfit_for_header(secret, name) from None
    swapped = [*fields]
    swapped[found.position] = (name, value)
    if found.owner.entry.redact_responses:
        swapped = readable(swapped)
    return Fields(swapped) if isinstance(fields, Fields) else swapped


def written(secret: Secret, spelling: Spelling) -> bytes:
    """A secret as it stands in a body of this spelling."""
    return spelling.encode(secret.reveal().encode("utf-8", "surrogateescape"))


class _Swaps:
    """What takes a token's place: the value of its first owner that has one."""

    __slots__ = ("_owners", "_secrets", "used")

    def __init__(self, scanner: Scanner, secrets: Secrets) -> None:
        self._owners = scanner.owners
        self._secrets = secrets
        self.used: list[Secret] = []

    def __call__(self, token: bytes) -> bytes | None:
        for owner in self._owners.get(token, ()):
            secret = self._secrets.get(owner.entry)
            if secret is not None:
                self.used.append(secret)
                return secret.reveal().encode("utf-8", "surrogateescape")
        return None


def _swap_in_field(request: Request, field: FieldToEdit, secrets: Secrets) -> None:
    name, value = request.headers.pairs[field.position]
    name = field.scanner.wire_name or name
    swaps = _Swaps(field.scanner, secrets)
    if field.credentials is not None:
        value = with_credentials(value, replace_spans(field.credentials, field.spans, swaps))
    elif field.spans:
        value = replace_spans(value, field.spans, swaps)
    if swaps.used:
        request.sensitive |= {name.lower()}
    try:
        request.headers.replace_at(field.position, name, value)
    except InvalidHeader:
        raise unfit_for_header(_first_unfit(swaps.used), name) from None


def _swap_in_body(request: Request, scanner: BodyScanner, body: BodyFindings, secrets: Secrets) -> None:
    edits = _edits_in_body(scanner, body, secrets)
    pieces: list[bytes] = []
    position = 0
    for start, end, new in edits:
        if new is not None:
            pieces += (body.text[position:start], new)
            position = end
    if not pieces:
        return
    content = b"".join((*pieces, body.text[position:]))
    if body.codings:
        encoder = make_encoder(body.codings, bare_deflate=body.is_bare_deflate)
        content = encoder.feed(content) + encoder.end()
    # settlement.py has seen to it that they can be written.
    for place, (name, value) in renewed(request.headers.fields, request.body.trailers, body.wire, content):
        request.headers.replace_at(place, name, value)
    request.body.replace(content)


def _edits_in_body(
    scanner: BodyScanner, body: BodyFindings, secrets: Secrets
) -> list[tuple[int, int, bytes | None]]:
    """What takes the place of each token, in order. Raises TransformError where that is too much."""
    known: dict[tuple[bytes, str, int], bytes | None] = {}    # one object however often it stands there
    edits: list[tuple[int, int, bytes | None]] = []
    growth = Growth()
    for span in body.spans:
        key = (span[2], body.way_of(span), span[1] - span[0])
        if key not in known:
            known[key] = _in_body(scanner, body, span, secrets)
        edits.append((span[0], span[1], known[key]))
        growth.add(known[key], key[2])
    for text in body.base64:
        new = _in_base64(scanner, body, text, secrets)
        edits.append((text.start, text.end, new))
        growth.add(new, text.end - text.start)
    return sorted(edits, key=lambda edit: edit[0]) if body.base64 else edits


class Growth:
    """How much longer a body becomes: some bytes of a client must not become gigabytes of ours."""

    __slots__ = ("_added",)

    def __init__(self) -> None:
        self._added = 0

    def add(self, new: bytes | None, size: int) -> None:
        """Something of a size gives way to something new. Raises TransformError."""
        self._added += 0 if new is None else max(0, len(new) - size)
        if self._added > MAX_GROWTH:
            raise TransformError(f"the secrets would make a body longer by more than {MAX_GROWTH} bytes")


def _in_body(scanner: BodyScanner, body: BodyFindings, span: Span, secrets: Secrets) -> bytes | None:
    start, end, token = span
    for owner in scanner.owners_of(token, body.way_of(span), is_compressed=bool(body.codings)):
        secret = secrets.get(owner.entry)
        if secret is not None:
            new = written(secret, body.spelling)
            if body.keeps_length and len(new) != end - start:
                body.unswapped.add(owner.entry)
                return None
            return new
    return None


def _in_base64(scanner: BodyScanner, body: BodyFindings, text: Base64Text, secrets: Secrets) -> bytes | None:
    def value_for(token: bytes) -> bytes | None:
        for owner in scanner.owners_of(token, "base64", is_compressed=bool(body.codings)):
            if owner.entry in secrets:
                return written(secrets[owner.entry], PLAIN)
        return None

    new = text.replaced(value_for)
    return new if not body.keeps_length or len(new) == text.end - text.start else None


def _first_unfit(used: list[Secret]) -> Secret:
    for secret in used:
        try:
            check_field(b"x", secret.reveal().encode("utf-8", "surrogateescape"))
        except InvalidHeader:
            return secret
    return used[0]


def _swap_in_path(request: Request, scanner: Scanner, secrets: Secrets) -> None:
    swaps = _Swaps(scanner, secrets)
    raw_path = replace_in_path(request.raw_path, scanner.tokens, swaps)
    if swaps.used and has_dot_segment(raw_path):
        raise unfit_for_path(swaps.used[0])
    if swaps.used:
        request.sensitive |= {b":path"}
    request.set_raw_path(raw_path)
