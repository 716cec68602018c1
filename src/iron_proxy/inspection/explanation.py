"""
What would happen to a request that nobody has sent, told by the engine that decides on real ones.

The question becomes an `Exchange`, the transforms of a `Pipeline.rehearsal()` run on it, and all that they say is kept:
which rule admitted it, what each transform did, where which secrets would go, and the message as it would leave. No
secret is fetched: its name stands where its value would. Called by `cli/explain.py`, and fit for a server's use. It
connects to nothing, and asks DNS only where `Setting` says so.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from iron_proxy.errors import BadRequest, ClientError, IronProxyError, UpstreamError
from iron_proxy.inspection.hypothetical import Hypothetical
from iron_proxy.inspection.outgoing import Outgoing, outgoing_message
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Pipeline, Refusal, Traces
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import Stub
from iron_proxy.proxy.denials import Denied, rule_hint
from iron_proxy.upstream.deny_list import DenyList

_RESOLVED_AT_THE_DIAL = "the name is resolved when it is dialled; an address of the deny list is refused then"
_PASSED_THROUGH = "TLS to this host is passed through: only host and port are decided on, and nothing is changed"
_NO_INNER_REQUEST = "this is the tunnel alone; what comes inside is decided on by itself"
_FOREIGN = "{} comes from outside: it ran as for a real request, and what it changed is not shown"

Answer = Literal["allowed", "denied", "answered", "failed"]


class RuleFound(Struct, frozen=True):
    """The rule that admits the request: as it was written, its place in the allowlist, and its line in the file."""

    text: str
    place: str
    line: int | None


class Use(Struct, frozen=True):
    """Where one secret would go, by name. `how` is `swapped` or `injected`."""

    secret: str
    how: str
    locations: list[str]


class AddressJudged(Struct, frozen=True):
    """An address that would be dialled, and the network of the deny list that it is in, or None."""

    address: str
    denied_by: str | None


class Explanation(Struct):
    """
    What would happen. `status` is what the client would get where we answer ourselves, None where the upstream does.

    `reason` says why not, `code` and `hint` (an element of `rules:`) as in the answer to a client that asks.
    """

    method: str
    url: str
    client: str
    verdict: Answer
    status: int | None = None
    reason: str = ""
    decided_by: str = ""
    code: str = ""
    hint: str = ""
    rule: RuleFound | None = None
    tls: str = ""                                # `terminated`, `passed through`, or "" without TLS
    transforms: list[dict[str, Any]] = []
    secrets: list[Use] = []
    addresses: list[AddressJudged] = []
    sent: Outgoing | None = None
    notes: list[str] = []


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What decides beside the pipeline. `resolve` is a resolver's; without it only literal addresses are judged.

    `passes_through` says of a host whether its TLS is.
    """

    deny_list: DenyList | None = None
    passes_through: Callable[[str], bool] = lambda host: False
    require_client: bool = False
    resolve: Callable[[str], Awaitable[list[str]]] | None = None


async def explain(
    pipeline: Pipeline,
    method: str,
    url: str,
    fields: Sequence[tuple[str, str]] = (),
    client_name: str = "",
    body: bytes = b"",
    setting: Setting | None = None,
) -> Explanation:
    """
    Tell what a configuration does with a request. `client_name` is "" for one that is none of those configured.

    Raises ValueError with a sentence for a question that makes no sense.
    """
    question = Hypothetical.parse(method, url, fields, client_name, body)
    answer = Explanation(method, url, client_name, "denied")
    try:
        exchange = question.exchange()
    except BadRequest as error:
        answer.status, answer.reason = error.status, str(error)
        return answer
    await _Inquiry(pipeline.rehearsal(), question, setting or Setting(), answer).run(exchange)
    return answer


class _Inquiry:
    """One explanation in the making."""

    def __init__(self, pipeline: Pipeline, question: Hypothetical, setting: Setting, answer: Explanation) -> None:
        self._pipeline, self._question, self._setting, self._answer = pipeline, question, setting, answer
        self._foreign = [each.name for each in pipeline.transforms if getattr(each, "is_foreign", False)]

    async def run(self, exchange: Exchange) -> None:
        answer = self._answer
        if self._setting.require_client and not answer.client:
            answer.status, answer.reason = 403, "the client is none of those configured (proxy.require_client)"
            return
        original = list(exchange.request.headers.fields), exchange.request.raw_target
        exchange, scope = self._as_it_is_seen(exchange)
        traces: Traces = []
        try:
            decision = await self._pipeline.run_request(exchange, traces, scope)
        except IronProxyError as error:
            kind: Answer = "denied" if isinstance(error, ClientError) else "failed"
            answer.verdict, answer.status, answer.reason = kind, error.status, str(error)
        else:
            await self._settle(decision, exchange, original, scope)
        self._tell_traces(traces)

    def _as_it_is_seen(self, exchange: Exchange) -> tuple[Exchange, Scope]:
        """What policy is asked about: less than the whole request, where less can be seen."""
        request = exchange.request
        if request.method == "CONNECT":
            self._answer.notes.append(_NO_INNER_REQUEST)
            return exchange, Scope.TUNNEL
        if request.scheme == "http":
            return exchange, Scope.REQUEST
        if not self._setting.passes_through(request.target.host):
            self._answer.tls = "terminated"
            return exchange, Scope.REQUEST
        self._answer.tls = "passed through"
        self._answer.notes.append(_PASSED_THROUGH)
        seen = Request("", "https", request.target, b"")
        seen.client_name = request.client_name
        return Exchange(seen, "", exchange.server_name), Scope.TUNNEL

    async def _settle(
        self, decision: Permit | Refusal, exchange: Exchange, original: tuple[list[tuple[bytes, bytes]], bytes],
        scope: Scope,
    ) -> None:  # fmt: skip
        if isinstance(decision, Refusal):
            self._refused(decision)
            return
        answer, admission = self._answer, decision.admission
        answer.verdict = "allowed"
        answer.rule = RuleFound(admission.rule, admission.place, admission.line)
        await self._judge_addresses(decision)
        if scope is Scope.REQUEST and answer.verdict == "allowed":
            answer.sent = await outgoing_message(exchange.request, *original, self._question.body, bool(self._foreign))

    def _refused(self, refusal: Refusal) -> None:
        answer, verdict = self._answer, refusal.verdict
        answer.decided_by = refusal.by
        answer.status = verdict.response.status if verdict.response is not None else 403
        if isinstance(verdict, Stub):
            answer.verdict = "answered"
            return
        answer.reason, answer.code = verdict.reason, verdict.code
        if verdict.code.endswith("_not_allowed"):
            answer.hint = rule_hint(self._denied())

    def _denied(self) -> Denied:
        question = self._question
        target, client = question.target(), question.client_name
        if question.method == "CONNECT" or self._answer.tls == "passed through":
            return Denied(target, "https", "", "", client)
        return Denied(target, question.scheme, question.method, question.exchange().request.path, client)

    # --- the dial ---------------------------------------------------------------------------------------------------

    async def _judge_addresses(self, permit: Permit) -> None:
        setting, answer = self._setting, self._answer
        if setting.deny_list is None:
            return
        target = permit.target
        if setting.resolve is None and not target.is_ip:
            answer.notes.append(_RESOLVED_AT_THE_DIAL)
            return
        try:
            found = [target.host] if setting.resolve is None else await setting.resolve(target.host)
        except UpstreamError as error:
            answer.verdict, answer.status, answer.reason = "failed", error.status, str(error)
            return
        named = permit.admission.names_address
        answer.addresses = [
            AddressJudged(address, setting.deny_list.denied_network(address, named_literally=named))
            for address in found
        ]
        if all(each.denied_by is not None for each in answer.addresses):
            answer.verdict, answer.status, answer.decided_by = "denied", 502, "the deny list"
            answer.code, answer.reason = "address_denied", f"{found[0]} is in {answer.addresses[0].denied_by}"

    # --- what transforms said ---------------------------------------------------------------------------------------

    def _tell_traces(self, traces: Traces) -> None:
        answer = self._answer
        answer.notes += [_FOREIGN.format(name) for name in self._foreign]
        for trace in traces:
            told = {key: value for key, value in trace.items() if key != "duration_ms"}
            answer.transforms.append(told)
            annotations = told.get("annotations", {})
            for how in ("swapped", "injected"):
                answer.secrets += [
                    Use(str(use["secret"]), how, list(use["locations"])) for use in annotations.get(how, ())
                ]
