"""
What a configuration says to questions that were asked before: its allowlists alone, run by the pipeline that serves.

What a record does not hold cannot be judged: header fields, bodies and addresses that names resolve to. So transforms
that look at those are left out, and named in `left_out`. Called by `replay.py` and `cli/learn.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from iron_proxy.config.schema import Config
from iron_proxy.learning.questions import OPENING, PASSED_THROUGH, Question, Verdict
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline, Refusal
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.transforms.allowlist import Allowlist

# Any path that can be read in two ways: rules look at the decoded one, which the question has.
_AMBIGUOUS_PATH = b"/%2f"
_UNKNOWN_CLIENT = "the client is none of those configured"
_UNSEEN = "TLS was passed through, so methods and paths are not in the record"
# A replay asks the same again and again; beyond this the memory counts for more.
_MAX_REMEMBERED = 50_000
# A rule may list thousands of paths, and as many judgements name it.
_MAX_RULE = 200

# The client that an address (`ip:port`) tells, or "".
ClientByAddress = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`why` is the rule that admits it, or the reason that it is denied."""

    verdict: Verdict
    why: str


class Judge:
    """One configuration. `left_out` are the transforms that were not asked."""

    def __init__(self, config: Config, pipeline: Pipeline, client_by_address: ClientByAddress) -> None:
        allowlists = [each for each in pipeline.transforms if isinstance(each, Allowlist)]
        self.left_out = [each.name for each in pipeline.transforms if not isinstance(each, Allowlist)]
        self._pipeline = Pipeline(allowlists, allow_by_default=config.proxy.default_action == "allow")
        self._client_names = frozenset(client.name for client in config.clients)
        self._client_by_address = client_by_address
        self._require_client = config.proxy.require_client
        self._passes_all = config.tls.mode == "sni-only"
        self._passed = tuple(map(HostPattern.parse, config.tls.passthrough))
        self._remembered: dict[Question, Judgement] = {}

    async def judge(self, question: Question, peer: str) -> Judgement:
        """The verdict. `peer` tells a client whose name is not one of this configuration's."""
        client = question.client if question.client in self._client_names else self._client_by_address(peer)
        asked = question._replace(client=client)
        known = self._remembered.get(asked)
        if known is None:
            known = await self._decide(asked)
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[asked] = known
        return known

    async def _decide(self, question: Question) -> Judgement:
        if self._require_client and not question.client:
            return Judgement(Verdict.DENIED, _UNKNOWN_CLIENT)
        if question.scheme == "https" and self._passes_through(question.target.host):
            return await self._run(_as_passed_through(question), Scope.TUNNEL)
        if question.method == OPENING:
            return await self._run(question, Scope.TUNNEL)
        if question.method != PASSED_THROUGH:
            return await self._run(question, Scope.REQUEST)
        # It could have been any request: certain only where a rule asks for no method and path, or none has the host.
        decided = await self._run(question, Scope.TUNNEL)
        if decided.verdict is Verdict.DENIED and self._pipeline.could_admit(question.target, question.client):
            return Judgement(Verdict.UNDECIDED, _UNSEEN)
        return decided

    async def _run(self, question: Question, scope: Scope) -> Judgement:
        exchange = Exchange(made_up_request(question))
        traces: list[dict[str, object]] = []
        decision = await self._pipeline.run_request(exchange, traces, scope)
        if isinstance(decision, Refusal):
            reason = decision.verdict.reason if isinstance(decision.verdict, Reject) else decision.by
            return Judgement(Verdict.DENIED, reason)
        admission = decision.admission
        is_warned = any((trace.get("annotations") or {}) == {"action": "warn"} for trace in traces)
        rule = admission.rule if len(admission.rule) <= _MAX_RULE else admission.rule[: _MAX_RULE - 1] + "…"
        why = f"{admission.place} ({rule})" if admission.place else rule
        return Judgement(Verdict.WARNED if is_warned else Verdict.ALLOWED, why)

    def _passes_through(self, host: str) -> bool:
        return self._passes_all or any(pattern.matches(host) for pattern in self._passed)


def _as_passed_through(question: Question) -> Question:
    """What is left to decide on of a request whose TLS is not read."""
    return question._replace(method=PASSED_THROUGH, path="", is_ambiguous=False)


def made_up_request(question: Question) -> Request:
    """The request that a question is about, as far as rules look at it."""
    if question.method == OPENING:
        request = Request(OPENING, "tunnel", question.target, b"")
    elif question.method == PASSED_THROUGH:
        request = Request(PASSED_THROUGH, "https", question.target, b"")
    else:
        raw_path = _AMBIGUOUS_PATH if question.is_ambiguous else b"/"
        request = Request(question.method, question.scheme, question.target, raw_path, path=question.path)
    request.client_name = question.client
    return request
