"""
Copy the beginning of chosen request bodies into the audit record.

The body is only looked at: what is forwarded is whole and unchanged, whatever the caps. The copy shows the body as it
is at this place in the pipeline, so it stands before `secrets` where the body may hold a swapped value. Responses are
never read.
"""

from collections.abc import Iterable

from iron_proxy.config.section import Section
from iron_proxy.errors import IronProxyError, TooMuchHeld
from iron_proxy.matching.rule import Rule, rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.pipeline.exchange import BodyCapture, Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Verdict

# Upstream's default: an API call's JSON fits, an upload does not fill the log.
DEFAULT_CAPTURE_BYTES = 16384
# A UTF-8 character is at most four bytes, so a cut leaves at most three of an unfinished one.
_LONGEST_FRAGMENT = 3


class BodyCapturer:
    """See the module. Without rules it captures nothing."""

    name = "body_capture"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, rules: Iterable[Rule], capture_bytes: int = DEFAULT_CAPTURE_BYTES) -> None:
        self._index = RuleIndex(rules)
        self._capture_bytes = capture_bytes

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Fill `exchange.body_capture`. A body that fails while it is read is noted here and fails again when sent."""
        request = exchange.request
        if request.body.is_empty or not self._index.applies_to(request):
            return CONTINUE
        try:
            content, is_whole = await request.body.peek(self._capture_bytes)
        except TooMuchHeld:
            raise                                # nobody fills the memory to go on unseen
        except IronProxyError as error:
            exchange.annotate("body_capture_error", str(error))
            return CONTINUE
        if not is_whole:
            content = _without_fragment(content)
        if content or not is_whole:
            exchange.body_capture = BodyCapture(content.decode("utf-8", "replace"), truncated=not is_whole)
            exchange.annotate("captured_bytes", len(content))
            exchange.annotate("truncated", not is_whole)
        return CONTINUE


def _without_fragment(content: bytes) -> bytes:
    """Drop up to three bytes, until the content ends in a whole character."""
    for _ in range(_LONGEST_FRAGMENT):
        if _ends_in_character(content):
            break
        content = content[:-1]
    return content


def _ends_in_character(content: bytes) -> bool:
    for length in range(1, _LONGEST_FRAGMENT + 2):
        try:
            if len(content[-length:].decode("utf-8")) == 1:
                return True
        except UnicodeDecodeError:
            continue
    return False


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `max_request_body_bytes` and `rules`; the proxy's own limit bounds what is held as well."""
    capture_bytes = section.integer("max_request_body_bytes", DEFAULT_CAPTURE_BYTES)
    if capture_bytes <= 0:
        capture_bytes = DEFAULT_CAPTURE_BYTES
    if context.max_request_body_bytes is not None:
        capture_bytes = min(capture_bytes, context.max_request_body_bytes)
    rules = rules_from(section)
    section.finish()
    return BodyCapturer(rules, capture_bytes)
