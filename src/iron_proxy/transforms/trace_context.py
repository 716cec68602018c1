"""
Notes which span of its client's a request belongs to (W3C Trace Context), for the span that the request becomes.

No configuration names it: it goes before all others where spans are exported (`runtime/assemble.py`). The field is
left as it is, so that upstream sees what the client has sent, or what a transform has left of it.
"""

import re

from iron_proxy.audit.span_ids import NOTE, STEP
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Verdict

# Section 3.2: version, trace-id, parent-id, flags; no version is ff, no id all zeros.
_VALID = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FIELD = b"traceparent"


class TraceContext:
    """See the module."""

    name = STEP
    scopes = frozenset((Scope.REQUEST,))

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Annotate; nothing else."""
        parent = parent_of(exchange.request.headers.get_all(_FIELD))
        if parent:
            exchange.annotate(NOTE, parent)
        return CONTINUE


def parent_of(values: list[bytes]) -> str:
    """The valid part of the only `traceparent`; "" where there is none, or several."""
    found = _VALID.match(values[0]) if len(values) == 1 else None
    if found is None:
        return ""
    parent, rest = found[0], values[0][found.end() :]
    # Later versions may have more behind a hyphen (section 3.2.2); this one has not.
    is_valid = not rest or (rest.startswith(b"-") and not parent.startswith(b"00"))
    return parent.decode("ascii") if is_valid else ""
