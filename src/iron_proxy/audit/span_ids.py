"""
Which trace and span a request's record stands for: made of its id, so that records and spans agree without a word.

A request that named a span of its client's (`transforms/trace_context.py` has noted it) belongs to that trace.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

# The step that notes it, and the annotation.
STEP: Final = "trace_context"
NOTE: Final = "traceparent"


class SpanIds(NamedTuple):
    """W3C Trace Context, section 2.2.2. `parent` is a valid `traceparent`, or "" where there is none."""

    trace_id: int
    span_id: int
    parent: str


def span_ids(fields: Mapping[str, Any]) -> SpanIds:
    """Of a request's record, which has a `request_id`."""
    # The ids of requests are of no other request of any proxy; their digest is as good as chance, as samplers want.
    digest = blake2b(fields["request_id"].encode(), digest_size=24, person=b"iron-proxy span").digest()
    own_trace, span_id = int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1
    parent = _parent(fields)
    return SpanIds(int(parent[3:35], 16) if parent else own_trace, span_id, parent)


def _parent(fields: Mapping[str, Any]) -> str:
    for trace in fields.get("request_transforms", ()):
        if trace.get("name") == STEP:
            return str(trace.get("annotations", {}).get(NOTE, ""))
    return ""
