"""
What happens to each entry that applies: in configured order, before anything is changed.

A secret is fetched only when its token was found or it is to be injected, so that a source in trouble touches the
requests that need it and no others. Called by `transform.py`.
"""

from dataclasses import dataclass

from iron_proxy.errors import SecretUnavailable
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.body_search import MOST_TOKENS, BodyFindings
from iron_proxy.transforms.secrets.digests import UnknownDigest, renewed, vouching_field
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.locations import Findings, Hit
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear
from iron_proxy.transforms.secrets.plan import Plan


class Settled:
    """The secrets to use, and the names of those that could not be had."""

    __slots__ = ("secrets", "unavailable")

    def __init__(self) -> None:
        self.secrets: dict[Entry, Secret] = {}
        self.unavailable: list[str] = []


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry refuses the request. `code` is the audit record's `reject_reason`; "" is a missing token."""

    entry: Entry
    code: str
    sentence: str
    response: Response | None = None


async def settle(plan: Plan, request: Request, findings: Findings, max_body_bytes: int | None) -> Settled | Refusal:
    """Decide on each entry and fetch what is needed."""
    settled = Settled()
    in_clear = may_go_in_clear(request.scheme, request.target)
    found = {owner.entry for hit in findings.hits for owner in hit}
    for entry in plan.entries:
        if entry.injection is None and entry not in found:
            refusal = _unfound(entry, findings, max_body_bytes)
            if refusal is not None:
                return refusal
            continue
        if not in_clear and not entry.allow_plaintext:
            return Refusal(entry, "plaintext", "a secret would go over plain HTTP; allow_plaintext: true permits it")
        refusal = _unswappable_body(entry, request, findings.body, max_body_bytes)
        if refusal is not None:
            return refusal
        if entry.injection is not None or _is_needed(entry, findings.hits, settled):
            try:
                settled.secrets[entry] = await entry.source.get()
            except SecretUnavailable:
                if entry.require:
                    return Refusal(entry, "secret_unavailable", "the secret is unavailable")
                settled.unavailable.append(entry.name)
    return settled


def _is_needed(entry: Entry, hits: list[Hit], settled: Settled) -> bool:
    """Whether some token that it owns has no secret yet: of several owners the first that has one is enough."""
    for hit in hits:
        for owner in hit:
            if owner.entry is entry:
                return True
            if owner.entry in settled.secrets:
                break
    return False


def _unfound(entry: Entry, findings: Findings, limit: int | None) -> Refusal | None:
    how = entry.replacement
    looks_into_body = how is not None and how.in_body
    if how is not None and how.on_oversize == "reject" and looks_into_body and findings.body_is_cut:
        return _too_large(entry, limit)
    if not entry.require:
        return None
    if looks_into_body and findings.body is not None and findings.body.is_opaque:
        return Refusal(entry, "encoded_body", "the body is compressed, so the required proxy token cannot be seen")
    if looks_into_body and findings.body_is_cut:
        return _too_large(entry, limit)
    return Refusal(entry, "", "the required proxy token is missing")


def _unswappable_body(
    entry: Entry, request: Request, body: BodyFindings | None, limit: int | None
) -> Refusal | None:
    how = entry.replacement
    if body is None or how is None or not how.in_body:
        return None
    if body.is_cut and how.on_oversize == "reject":
        return _too_large(entry, limit)
    if not any(owner.entry is entry for hit in body.hits for owner in hit):
        return None
    if body.has_too_many:
        sentence = f"the body holds more than {MOST_TOKENS} proxy tokens"
        return Refusal(entry, "too_many_tokens", sentence, plain_text(413, sentence))
    if body.is_cut and entry.require:
        return _too_large(entry, limit)
    fields, trailers = request.headers.fields, request.body.trailers
    digest = vouching_field([*fields, *trailers])
    if digest and not body.is_cut:
        try:
            renewed(fields, trailers, body.wire, body.wire)
            digest = ""
        except UnknownDigest as error:
            digest = str(error)
    if digest:
        return Refusal(entry, "body_digest", f"the body holds the proxy token and the header {digest} vouches for it")
    return None


def _too_large(entry: Entry, limit: int | None) -> Refusal:
    sentence = f"the request body is larger than max_request_body_bytes ({limit}) and has to be seen whole"
    return Refusal(entry, "body_too_large", sentence, plain_text(413, sentence))
