"""
A transform of one's own: a request whose JSON body has a forbidden value in a field is rejected.

Named in proxy.yaml as `json_field_block:BlockJSONField`. What cannot be read cannot be judged: where its rules fit, no
body passes but JSON objects in which no name stands twice, uncompressed and no larger than the proxy may hold.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from iron_proxy.config.section import Section
from iron_proxy.matching.rule import rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict


class BlockJSONField:
    """Reads `field` (a name, or several with dots between them), `values` and `rules` from its own `config:`."""

    name = "json_field_block"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        self._field = section.required_text("field", "is required: the name of a field, such as model")
        self._values = frozenset(section.texts("values"))
        self._rules = RuleIndex(rules_from(section))
        limit = context.max_request_body_bytes
        self._limit = sys.maxsize if limit is None else limit

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Look into bodies; a request without one has no field."""
        request = exchange.request
        if request.body.is_empty or not self._rules.applies_to(request):
            return CONTINUE
        document = await self._document_of(request)
        if document is None:
            return Reject("the body is not a JSON object that can be looked into")
        value = _value_at(document, self._field.split("."))
        if value not in self._values:
            return CONTINUE
        exchange.annotate("field", self._field)
        return Reject(f"{self._field} has a value that is not allowed")

    async def _document_of(self, request: Request) -> dict[str, Any] | None:
        if request.headers.get(b"content-encoding") is not None:
            return None
        content, is_whole = await request.body.peek(self._limit)
        if not is_whole:
            return None
        try:
            document = json.loads(content.decode(), object_pairs_hook=_members)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def _members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a name that stands twice: we might read the one, and the upstream the other."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("a name stands twice")
        members[name] = value
    return members


def _value_at(document: Any, path: list[str]) -> str:
    """What is at the end of the path: a text as it is, everything else as JSON writes it."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, str) else json.dumps(document)
