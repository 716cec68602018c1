"""
The secrets transform: find proxy tokens, decide, fetch, then swap and inject.

Nothing is changed before every entry has been decided on. Tokens are sought in what the client sent: neither a
swapped nor an injected value is searched again. CONNECT carries no token and is not asked; the request inside is.
A request that a secret went into leaves a scrubber on its exchange, which takes the secret out of the response.
"""

from collections.abc import Iterable

from iron_proxy.config.section import Section
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.secret_sources.registry import SourceContext
from iron_proxy.secret_sources.source import Secret, close_source
from iron_proxy.transforms.secrets.body_search import BodyFindings
from iron_proxy.transforms.secrets.entries import Entry, entries_from
from iron_proxy.transforms.secrets.honeytokens import Honeytoken, honeytokens_from
from iron_proxy.transforms.secrets.late_uses import LateUses, at_hand
from iron_proxy.transforms.secrets.locations import NO_TOKEN, Findings, SoleToken, find_sole_token, find_tokens
from iron_proxy.transforms.secrets.message_swaps import prepare_messages
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear
from iron_proxy.transforms.secrets.plan import BodyScanner, Plan, Plans
from iron_proxy.transforms.secrets.replace import prepare_swap, swap_tokens
from iron_proxy.transforms.secrets.scrubbers import SentSecrets, watch
from iron_proxy.transforms.secrets.settlement import Refusal, Settled, settle
from iron_proxy.transforms.secrets.stand_ins import with_stand_in
from iron_proxy.transforms.secrets.swapped_body import stream_body
from iron_proxy.transforms.secrets.tripwires import Tripwires

# RFC 9110 section 15.5.6: a 405 names what is allowed.
_BUT_TRACE = (b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
# Spared the look for another spelling of TRACE.
_COMMON_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class SecretsTransform:
    """See the module. Without entries it lets everything pass."""

    name = "secrets"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(
        self,
        entries: Iterable[Entry],
        max_request_body_bytes: int | None = None,
        honeytokens: Iterable[Honeytoken] = (),
        *,
        is_rehearsal: bool = False,
    ) -> None:
        self.entries = entries = tuple(entries)
        self._plans = Plans(entries)
        self.tripwires = Tripwires(entries, honeytokens, is_rehearsal=is_rehearsal)
        self._max_body_bytes = max_request_body_bytes

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Swap and inject, or refuse. Raises TransformError when a secret cannot stand where it should go."""
        request = exchange.request
        plan, sent = self._plans.for_request(request)
        rejection = self.tripwires.look(exchange, plan)
        if rejection is not None:
            return rejection
        if request.method not in _COMMON_METHODS and request.method.upper() == "TRACE":
            return self._refuse_trace(exchange)
        if plan is None:
            watch(exchange, sent)
            return CONTINUE
        if plan.ambiguous is not None:
            sentence = "the path can be read in more than one way, so the rules of a required secret cannot be decided"
            return _reject(exchange, Refusal(plan.ambiguous, "ambiguous_path", sentence))
        if request.upgrade is not None:
            refusal = await prepare_messages(exchange, plan, sent)
            if refusal is not None:
                return _reject(exchange, refusal)
        if plan.is_headers_only:
            # What nearly every request is: no token, or one token in one header of one entry that demands nothing.
            found = find_sole_token(plan, request.headers.fields)
            if found is NO_TOKEN:
                watch(exchange, sent)
                return CONTINUE
            if found is not None and _swapped_alone(exchange, found, sent):
                return CONTINUE
        return await self._search_and_swap(exchange, plan, sent)

    async def _search_and_swap(self, exchange: Exchange, plan: Plan, sent: SentSecrets) -> Verdict:
        """The general way: everything is looked at, then decided on, then changed."""
        request = exchange.request
        findings = await find_tokens(plan, request, self._max_body_bytes)
        rejection = self.tripwires.look_at_body(exchange, plan)
        if rejection is not None:
            return rejection
        settled = await settle(plan, request, findings, self._max_body_bytes)
        if isinstance(settled, Refusal):
            return _reject(exchange, settled)
        _apply(plan, exchange, findings, settled)
        scrubbed = settled.secrets
        body = findings.body
        if plan.body is not None and body is not None and (body.is_cut or body.is_live):
            scrubbed = _stream_body(plan.body, exchange, body, settled, sent)
        watch(exchange, sent, scrubbed.items())
        return CONTINUE

    def on_refused(self, exchange: Exchange) -> None:
        """Note tokens where they do not belong in a request that another transform refuses."""
        self.tripwires.look_at_refused(exchange, self._plans.for_request(exchange.request)[0])

    def rehearsal(self) -> "SecretsTransform":
        """One that puts each secret's name in the place of its value, and asks no source for one."""
        entries = map(with_stand_in, self.entries)
        return SecretsTransform(entries, self._max_body_bytes, self.tripwires.honeytokens.all, is_rehearsal=True)

    async def aclose(self) -> None:
        """End what sources do in the background."""
        for entry in self.entries:
            await close_source(entry.source)

    def _refuse_trace(self, exchange: Exchange) -> Verdict:
        """TRACE (RFC 9110 section 9.3.8) sends the request back: the client would read the secret."""
        entry = self._plans.first_possible(exchange.request.target, exchange.request.client_name)
        if entry is None:
            return CONTINUE
        sentence = "TRACE would return the secret to the client"
        return _reject(exchange, Refusal(entry, "trace", sentence, Response(405, Headers([_BUT_TRACE]))))


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `secrets`, and the seed's `source: env` beside it. No source is asked for a value yet."""
    honeytokens = honeytokens_from(section)
    entries = entries_from(section, SourceContext(context.environment, context.clock))
    tokens = {entry.replacement.token for entry in entries if entry.replacement is not None}
    if any(each.value in tokens for each in honeytokens):
        section.problem("honeytokens", "a honeytoken is the proxy_value of an entry: that one may be used")
    return SecretsTransform(entries, context.max_request_body_bytes, honeytokens)


def _swapped_alone(exchange: Exchange, found: SoleToken, sent: SentSecrets) -> bool:
    """
    Swap the only token there is: a shortcut to the outcome of the general way (property tests hold them together).

    False, with nothing changed, leaves everything to that: also when the secret has to be waited for.
    """
    request, entry = exchange.request, found.owner.entry
    if request.scheme != "https" and not (entry.allow_plaintext or may_go_in_clear(request.scheme, request.target)):
        return False
    secret = entry.source.current
    if secret is None:
        return False
    if secret is not found.secret:               # the same object is the same value (see Source), a new one a rotation
        sent.note(entry, secret)
        prepare_swap(request, found, secret)
    request.headers.fields = found.swapped
    request.sensitive |= found.sensitive
    exchange.notes["swapped"] = found.noted
    if entry.redact_responses:                   # what goes upstream asks for a readable answer already
        exchange.scrubbers += sent.scrubbers
    else:
        watch(exchange, sent)
    return True


def _stream_body(
    scanner: BodyScanner, exchange: Exchange, body: BodyFindings, settled: Settled, sent: SentSecrets
) -> dict[Entry, Secret]:
    """Let tokens be swapped while the body goes by; the secrets that may go into it."""
    if body.is_live:
        exchange.annotate("body_streamed", True)
    secrets = at_hand(scanner, settled.secrets)
    uses = LateUses(exchange, sent)
    is_changed = stream_body(scanner, exchange.request, body, secrets, uses.used, uses.unfit)
    return secrets if is_changed else settled.secrets


def _apply(plan: Plan, exchange: Exchange, findings: Findings, settled: Settled) -> None:
    swap_tokens(plan, exchange.request, findings, settled.secrets)
    swapped, injected = _locations(plan, findings, settled), []
    for entry in plan.entries:
        if entry.injection is not None and entry in settled.secrets:
            entry.injection.apply(exchange.request, settled.secrets[entry])
            injected.append({"secret": entry.name, "locations": [entry.injection.location]})
    if swapped:
        exchange.annotate("swapped", swapped)
    if injected:
        exchange.annotate("injected", injected)
    if settled.unavailable:
        exchange.annotate("secret_unavailable", settled.unavailable)
    if findings.body_is_cut:
        exchange.annotate("body_truncated", True)
    if findings.body is not None and findings.body.unswapped:
        exchange.annotate("token_unswapped", ["body"])


def _locations(plan: Plan, findings: Findings, settled: Settled) -> list[dict[str, object]]:
    """For the audit record: which secrets took a token's place, and where."""
    places: dict[Entry, list[str]] = {}
    for owners in findings.hits:
        for owner in owners:
            if owner.entry in settled.secrets and not findings.is_unswapped(owner):
                locations = places.setdefault(owner.entry, [])
                if not (owner.once and owner.location in locations):
                    locations.append(owner.location)
                break
    return [{"secret": entry.name, "locations": places[entry]} for entry in plan.entries if entry in places]


def _reject(exchange: Exchange, refusal: Refusal) -> Reject:
    exchange.annotate("rejected", refusal.entry.name)
    if refusal.code:
        exchange.annotate("reject_reason", refusal.code)
    return Reject(f'secret "{refusal.entry.name}": {refusal.sentence}', refusal.response)
