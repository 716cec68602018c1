"""
`/v1/openapi.json`: the management API described in OpenAPI 3.1, for those who generate clients.

Written by hand, as the endpoints are few; a test holds it against the routes and against real answers.
"""

from typing import Any, Final

from msgspec.json import schema_components

from iron_proxy.inspection.explanation import Explanation
from iron_proxy.management.explaining import Question
from iron_proxy.version import __version__

_REFERENCE: Final = "#/components/schemas/{name}"
_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXTS: Final = {"type": "array", "items": _TEXT}


def openapi_document() -> dict[str, Any]:
    """The document."""
    (question, explanation), shapes = schema_components((Question, Explanation), ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "iron-proxy management API",
            "version": __version__,
            "description": "Plain HTTP on management.listen. Every call shows the key as a bearer token.",
        },
        "security": [{"key": []}],
        "paths": _paths(question, explanation),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**_SHAPES, **shapes},
        },
    }


def _paths(question: dict[str, Any], explanation: dict[str, Any]) -> dict[str, Any]:
    return {
        "/v1/reload": {"post": _call("Read the configuration again", _named("Reloaded"), {
            "422": "Something is wrong with it: nothing has changed", "500": "Our fault: nothing has changed",
        })},
        "/v1/sync": {"post": {
            "summary": "Of the managed mode, which this version does not have",
            "responses": {**_refusals(), "404": _answer("Unavailable", _named("Error"))},
        }},
        "/v1/status": {"get": _call("What the process is and does", _named("Status"))},
        "/v1/config": {"get": _call("The configuration in force, secrets masked", {"type": "object"})},
        "/v1/explain": {"post": _explain(question, explanation)},
        "/v1/connections": {"get": _call("The clients' connections at this moment", _named("Connections"))},
        "/v1/audit/stream": {"get": _stream()},
        "/v1/openapi.json": {"get": _call("This document", {"type": "object"})},
    }  # fmt: skip


def _explain(question: dict[str, Any], explanation: dict[str, Any]) -> dict[str, Any]:
    call = _call("What would happen to a request that nobody has sent", explanation, {
        "400": "The question makes no sense", "408": "The question did not arrive in time",
        "413": "The question is too large", "415": "The question is not JSON",
        "504": "A transform did not answer in time",
    })  # fmt: skip
    return {**call, "requestBody": {"required": True, "content": {"application/json": {"schema": question}}}}


def _stream() -> dict[str, Any]:
    call = _call("Audit records as they are made, as server-sent events", _TEXT, {"503": "Too many watch already"})
    call["responses"]["200"] = {
        "description": "Each event's data is a record; an event `dropped` counts what did not fit",
        "content": {"text/event-stream": {"schema": _TEXT}},
    }
    return call


def _call(summary: str, shape: dict[str, Any], failures: dict[str, str] | None = None) -> dict[str, Any]:
    failed = {status: _answer(description, _named("Error")) for status, description in (failures or {}).items()}
    if "422" in failed:
        failed["422"] = _answer((failures or {})["422"], _named("Refused"))
    return {"summary": summary, "responses": {"200": _answer("Done", shape), **_refusals(), **failed}}


def _refusals() -> dict[str, Any]:
    return {
        "401": _answer("No key, or a wrong one", _named("Error")),
        "403": _answer("Asked by another web site's page", _named("Error")),
        "405": _answer("Another method is wanted", _named("Error")),
        "429": _answer("Too many wrong keys from this address", _named("Error")),
    }


def _answer(description: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": shape}}}


def _named(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=name)}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}}


def _list_of(shape: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": shape}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_SHAPES: Final[dict[str, Any]] = {
    "Error": _object({"error": _TEXT}),
    "Refused": _object({"error": _TEXT, "problems": _TEXTS}),
    "Reloaded": _object(
        {"status": {"const": "ok"}},
        {"warnings": _TEXTS, "not_reloaded": _list_of(_object({"key": _TEXT, "reason": _TEXT}))},
    ),
    "Status": _object({
        "version": _TEXT,
        "pid": _COUNT,
        "started_at": {"type": "string", "format": "date-time"},
        "uptime_seconds": _NUMBER,
        "config": _or_null("string"),
        "generation": _COUNT,
        "generations_closing": _COUNT,
        "last_reload": {
            "oneOf": [{"type": "null"}, _object({"time": _TEXT, "by": _TEXT, "status": _TEXT, "problems": _TEXTS})]
        },
        "transforms": _TEXTS,
        "secrets": _list_of(_object({"name": _TEXT, "source": _TEXT, "age_seconds": _or_null("number")})),
        "tls_mode": _TEXT,
        "listeners": {"type": "object", "additionalProperties": _TEXT},
        "connections": _COUNT,
        "draining": {"type": "boolean"},
        "audit": _object({
            "emitted": _COUNT, "lost": _COUNT, "refused": _COUNT, "queued_bytes": _COUNT,
            "is_stalled": {"type": "boolean"}, "is_strict": {"type": "boolean"},
        }),
    }),
    "Connections": _object({"total": _COUNT, "connections": _list_of(_object({
        "kind": {"enum": ["opening", "http/1.1", "http/2", "passthrough"]},
        "remote_addr": _TEXT,
        "client": _TEXT,
        "target": _TEXT,
        "is_tunnel": {"type": "boolean"},
        "generation": _COUNT,
        "age_seconds": _NUMBER,
        "bytes_from_client": _or_null("integer"),
        "bytes_to_client": _or_null("integer"),
        "requests": _list_of(
            _object({"request_id": _TEXT, "method": _TEXT, "host": _TEXT, "age_seconds": _NUMBER})
        ),
    }))}),
}  # fmt: skip
