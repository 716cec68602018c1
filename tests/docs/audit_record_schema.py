"""
The JSON Schema of audit records, made from the structs that they are encoded from.

What the structs leave open (the traces, the objects of one kind of event) is spelt out here; the meaning of each field
comes from the reference page. `WRITE_AUDIT_SCHEMA=1 pytest tests/docs/test_audit_record_schema.py` writes it.
"""

import json
import re
from typing import Any, Literal, NotRequired, TypedDict

import msgspec
from tests.docs.pages import REFERENCE

from iron_proxy.audit.record import EventRecord, RequestRecord

FILE = REFERENCE / "audit-record.schema.json"
Schema = dict[str, Any]


class Trace(TypedDict):
    """What one transform did."""

    name: str
    action: Literal["continue", "reject", "stub", "error", "observe"]
    duration_ms: NotRequired[float]           # absent where only a response's body was looked at
    annotations: NotRequired[dict[str, Any]]
    error: NotRequired[str]


class TunnelFields(TypedDict):
    """The opening of a tunnel that a request came through."""

    target: str
    request_transforms: NotRequired[list[Trace]]
    port_passed_through: NotRequired[int]


class UpstreamFields(TypedDict):
    """The connection that a request was forwarded on."""

    address: str
    tls: NotRequired[str]
    certificate_sha256: NotRequired[str]


class BodyCaptureFields(TypedDict):
    """The beginning of a request's body."""

    request_body: str
    request_body_truncated: bool


class DNSFields(TypedDict, total=False):
    """What only a DNS question has."""

    type: str
    decision: str
    rcode: str
    upstream: str
    omitted: int


class ReloadFields(TypedDict):
    """What only a reload has."""

    generation: int
    by: str
    not_reloaded: NotRequired[list[str]]


class LimitFields(TypedDict):
    """What only connections that a limit left no room for have."""

    name: str
    value: int
    refused: int


class AuditFields(TypedDict, total=False):
    """What only an event of the log itself has."""

    lost: int
    torn_bytes: int
    seq: int
    hash: str
    key: str
    signature: str


NESTED = {
    "request_transforms": list[Trace],
    "response_transforms": list[Trace],
    "tunnel": TunnelFields,
    "upstream": UpstreamFields,
    "body_capture": BodyCaptureFields,
    "dns": DNSFields,
    "reload": ReloadFields,
    "limit": LimitFields,
    "audit": AuditFields,
}
CHOICES = {
    "level": ["INFO", "WARN", "ERROR"],
    "phase": ["open", "close"],
    "mode": ["mitm", "sni-only", "passthrough"],
}
REQUEST_ACTIONS = ["allow", "reject", "stub", "error", "client_cancel"]
# What `audit.chain` adds at the end of a line.
CHAIN: Schema = {
    "seq": {"type": "integer", "minimum": 1},
    "prev": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}


def record_schema() -> Schema:
    """The whole schema, of the default form (`log.audit_schema: seed`)."""
    components: Schema = {}
    records = [_record(RequestRecord, "request", components), _record(EventRecord, "event", components)]
    records[0]["properties"]["action"]["enum"] = REQUEST_ACTIONS
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of iron-proxy's audit log",
        "oneOf": records,
        "$defs": components,
    }


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(record_schema(), indent=1, ensure_ascii=False) + "\n"


def _record(kind: type[msgspec.Struct], word: str, components: Schema) -> Schema:
    own: dict[str, Schema]
    _, own = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    schema: Schema = own[kind.__name__]
    meanings = _meanings()
    for name, field in schema["properties"].items():
        if name in NESTED:
            [field], more = msgspec.json.schema_components([NESTED[name]], ref_template="#/$defs/{name}")
            components.update(_closed(more))
        elif name in CHOICES:
            field = {"enum": CHOICES[name]}
        field.pop("default", None)
        described = {"description": meanings[name]} if name in meanings else {}
        schema["properties"][name] = described | field
    schema["properties"]["msg"] = {"const": word}
    # Written whether or not they say something: only what is not set is left out.
    unset = {field.name for field in msgspec.structs.fields(kind) if field.default is msgspec.UNSET}
    schema["required"] = [name for name in schema["properties"] if name not in unset]
    schema["properties"] |= CHAIN
    return schema | {"additionalProperties": False}


def _closed(components: Schema) -> Schema:
    return {name: schema | {"additionalProperties": False} for name, schema in components.items()}


def _meanings() -> dict[str, str]:
    """From a field to what the page says of it, as plain text."""
    page = (REFERENCE / "audit-log.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \| (.+?) \|$", page, re.MULTILINE)
    meanings: dict[str, str] = {}
    for names, meaning in rows:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", meaning).replace("`", "")
        for name in re.findall(r"`(\w+)`", names):
            meanings.setdefault(name, plain)
    return meanings
