"""
Two ways to write the same record: the seed's flat schema, and upstream v0.46's nested one (`log.audit_schema`).

Envelopes choose the shape, never the facts.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct, json, structs

from iron_proxy.audit.record import EventRecord, Record, RequestRecord

Envelope = Callable[[Record], bytes]

# Where the nesting of what could not be encoded is cut; honest annotations have a few levels.
_MAX_DEPTH = 50

_encoder = json.Encoder()


def _line(fields: Record | dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(fields) + b"\n"
    except (TypeError, ValueError, RecursionError):
        # An annotation of somebody's transform that JSON cannot hold must not cost the record.
        plain = fields_of(fields) if isinstance(fields, Struct) else fields
        return _encoder.encode(_encodable(plain, 0)) + b"\n"


def _encodable(value: Any, depth: int) -> Any:
    """What can be written of a value: lone surrogates replaced, what has no JSON form named by its type only."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, dict):
        return {_encodable(str(name), depth): _encodable(each, depth + 1) for name, each in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return [_encodable(each, depth + 1) for each in value]
    return f"<{type(value).__name__}>"


# One flat object; a transform that let the request pass says `continue`.
seed_envelope: Envelope = _line


# What upstream groups under `audit`, in its order.
_AUDIT_GROUP = ("host", "method", "path", "remote_addr", "sni", "mode", "action", "status_code", "duration_ms")
_BESIDE_IT = (
    "tunnel", "rejected_by", "stubbed_by", "error", "request_transforms", "response_transforms", "body_capture",
)  # fmt: skip
# Ours: a reader that knows upstream's keys only will skip them.
_OURS = ("request_id", "phase", "reason", "code", "original_destination", "ambiguous_path")


def v046_envelope(record: Record) -> bytes:
    """Upstream's grouping: `audit{…}` with the traces beside it; a transform that let pass says `allow`."""
    if isinstance(record, EventRecord):
        return seed_envelope(record)
    fields: dict[str, Any] = {"time": record.time, "level": record.level, "msg": record.msg}
    fields["audit"] = {name: getattr(record, name) for name in _AUDIT_GROUP}
    for name in _BESIDE_IT:
        value = getattr(record, name)
        if value is not UNSET and value != []:
            fields[name] = _allow_for_continue(name, value)
    for name in _OURS:
        value = getattr(record, name)
        if value is not UNSET:
            fields[name] = value
    return _line(fields)


def _allow_for_continue(name: str, value: Any) -> Any:
    if name.endswith("_transforms"):
        return [{**trace, "action": "allow"} if trace["action"] == "continue" else trace for trace in value]
    if name == "tunnel" and "request_transforms" in value:
        return {**value, "request_transforms": _allow_for_continue("request_transforms", value["request_transforms"])}
    return value


ENVELOPES: dict[str, Envelope] = {"seed": seed_envelope, "v0.46": v046_envelope}


def fields_of(record: RequestRecord | EventRecord) -> dict[str, Any]:
    """The fields that apply, by name: what other sinks are given."""
    return {name: value for name, value in structs.asdict(record).items() if value is not UNSET}
