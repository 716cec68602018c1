"""
Remove every request header field that is not listed.

Host and the framing fields (Content-Length, Transfer-Encoding) belong to the message, not to its header policy: they
are neither removed nor reported. An upgrade counts as its fields `Upgrade` and `Connection`: where either is not
listed, the request goes on as a plain one. A path that could be read in two ways counts as covered by the rules, so
that an odd spelling is no way round the removal.
"""

from collections.abc import Iterable
from functools import lru_cache

from iron_proxy.config.section import Section
from iron_proxy.go_compat.canonical_header import canonical_header_bytes
from iron_proxy.matching.header_patterns import HeaderPattern, InvalidHeaderRegex
from iron_proxy.matching.rule import Rule, rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Verdict

_NOT_OURS = frozenset((b"host", b"content-length", b"transfer-encoding"))
# Clients send the same few dozen names; one that invents names fills no more than this.
_NAMES_REMEMBERED = 512


class HeaderAllowlist:
    """See the module. Without rules it covers every request."""

    name = "header_allowlist"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, patterns: Iterable[HeaderPattern], rules: Iterable[Rule] = ()) -> None:
        self._index = RuleIndex(rules)
        patterns = tuple(patterns)
        literals = frozenset(pattern.literal_lower for pattern in patterns if pattern.literal_lower is not None)
        regexes = tuple(pattern for pattern in patterns if pattern.literal_lower is None)

        def is_unwanted(name: bytes) -> bool:
            lower = name.lower()
            if lower in literals or lower in _NOT_OURS:
                return False
            return not any(pattern.matches(name) for pattern in regexes)

        self._is_unwanted = lru_cache(maxsize=_NAMES_REMEMBERED)(is_unwanted)

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Remove what is not listed and note the names; never the values."""
        request = exchange.request
        if self._index.rules and not self._index.applies_to(request):
            return CONTINUE
        request.body.drop_trailers()             # they come after we have looked: none could be let through by name
        removed = request.headers.remove_where(self._is_unwanted)
        removed += self._refuse_upgrade(request)
        if removed:
            names = dict.fromkeys(canonical_header_bytes(name).decode("latin-1") for name in removed)
            exchange.annotate("stripped_headers", list(names))
        return CONTINUE

    def _refuse_upgrade(self, request: Request) -> list[bytes]:
        if request.upgrade is None:
            return []
        unwanted = [name for name in (b"Connection", b"Upgrade") if self._is_unwanted(name)]
        if unwanted:
            request.upgrade = None
        return unwanted


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `headers` (names or `/regex/`) and `rules`."""
    patterns = []
    texts = section.texts_with_lines("headers")
    for index, (text, line) in enumerate(texts):
        try:
            patterns.append(HeaderPattern.parse(text))
        except InvalidHeaderRegex as error:
            section.problem_at(line, f"headers[{index}]", f'invalid headers regex "{error.pattern}": {error}')
        except ValueError as error:
            section.problem_at(line, f"headers[{index}]", str(error))
    if not texts:
        section.problem("headers", "at least one header is required")
    rules = rules_from(section)
    section.finish()
    return HeaderAllowlist(patterns, rules)
