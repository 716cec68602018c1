"""
A transform of one's own: requests are signed with a key that the workload never has.

Named in proxy.yaml as `signed_header:SignedHeader`. The field is `t=SECONDS,v1=HEX`, an HMAC with SHA-256 over the
seconds, the method, the path with its query and the SHA-256 of the body, each on a line. A body that is too large to be
seen whole is answered with 413: a signature over a part of it would be worthless.
"""

import hashlib
import hmac
import sys
import time

from iron_proxy.config.section import Section
from iron_proxy.matching.rule import rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.secret_sources.registry import SourceContext, build_source
from iron_proxy.secret_sources.source import close_source


class SignedHeader:
    """Reads `key` (a source, as secrets have it), `header` and `rules` from its own `config:`."""

    name = "signed_header"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        self._key = build_source(section, SourceContext(context.environment, context.clock), "key")
        self._header = section.text("header", "X-Signature").encode()
        self._rules = RuleIndex(rules_from(section))
        limit = context.max_request_body_bytes
        self._limit = sys.maxsize if limit is None else limit

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Sign what goes to the hosts of the rules. A key that cannot be had fails the request."""
        request = exchange.request
        if self._key is None or self._rules.first_match(request) is None:
            return CONTINUE
        content, is_whole = await request.body.peek(self._limit)
        if not is_whole:
            sentence = "the body is too large to be signed"
            return Reject(sentence, plain_text(413, sentence))
        key = (await self._key.get()).reveal().encode("utf-8", "surrogateescape")
        now = str(int(time.time())).encode()
        signed = [now, request.method.encode(), request.raw_target, hashlib.sha256(content).hexdigest().encode()]
        signature = hmac.new(key, b"\n".join(signed), hashlib.sha256).hexdigest().encode()
        request.headers.set(self._header, b"t=" + now + b",v1=" + signature)  # in place of what the client sent
        exchange.annotate("signed", self._key.name)
        return CONTINUE

    async def aclose(self) -> None:
        """The key's source may be refreshing it."""
        await close_source(self._key)
