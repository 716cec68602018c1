"""
A transform of one's own: calls for one model go to another, whatever the workload asks for.

Named in proxy.yaml as `model_rewrite:RewriteModel`. All other members of the JSON object go on byte for byte. A body
that is compressed, too large to be held or no JSON object is left as it is.
"""

import sys

import msgspec

from iron_proxy.config.section import Section
from iron_proxy.matching.rule import rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Verdict

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RewriteModel:
    """Reads `models`, a list of `{from: NAME, to: NAME}`, and `rules` from its own `config:`."""

    name = "model_rewrite"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        self._models: dict[bytes, str] = {}
        for part in section.sections("models"):
            asked = part.required_text("from", "is required: the model that is asked for")
            self._models[asked.encode()] = part.required_text("to", "is required: the model to call instead")
            part.finish()
        self._rules = RuleIndex(rules_from(section))
        limit = context.max_request_body_bytes
        self._limit = sys.maxsize if limit is None else limit

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Change the member `model`; the proxy states the new length."""
        request = exchange.request
        if not self._rules.applies_to(request) or request.headers.get(b"content-encoding") is not None:
            return CONTINUE
        content, is_whole = await request.body.peek(self._limit)
        if not is_whole or not any(model in content for model in self._models):
            return CONTINUE
        try:
            members = _MEMBERS.decode(content)
            model = msgspec.json.decode(members["model"], type=str)
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
            return CONTINUE
        instead = self._models.get(model.encode())
        if instead is not None:
            members["model"] = msgspec.Raw(msgspec.json.encode(instead))
            request.body.replace(msgspec.json.encode(members))
            exchange.annotate("model", [model, instead])
        return CONTINUE
