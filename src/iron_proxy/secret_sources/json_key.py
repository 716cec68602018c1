"""
`json_key`: one string out of a secret that is a JSON object, whatever source the object comes from.

The name stays the inner source's. Errors name the key and what is wrong, never what the document holds; the decoder's
own exception carries the whole document, so it is not chained.
"""

import json
from typing import Any

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Secret, Source, close_source

# Parity: errors name types as Go's JSON decoder does.
_GO_TYPES = {bool: "bool", int: "float64", float: "float64", list: "[]interface {}", dict: "map[string]interface {}"}


class JSONKeySource:
    """The string at a top-level key of another source's value."""

    __slots__ = ("_document", "_extracted", "inner", "key", "name")

    def __init__(self, inner: Source, key: str) -> None:
        self.name = inner.name
        self.inner = inner
        self.key = key
        self._document: Secret | None = None  # what `_extracted` was taken from
        self._extracted: Secret | None = None

    @property
    def current(self) -> Secret | None:
        """The string, if it was taken from the inner source's current value."""
        document = self.inner.current
        return self._extracted if document is not None and document is self._document else None

    async def get(self) -> Secret:
        """The string at the key. Raises SecretUnavailable when there is none, and what the inner source raises."""
        document = await self.inner.get()
        if self._extracted is None or document is not self._document:
            self._extracted = Secret(self.name, self._extract(document.reveal()), changed_at=document.changed_at)
            self._document = document
        return self._extracted

    async def aclose(self) -> None:
        """Close the inner source."""
        await close_source(self.inner)

    def _extract(self, text: str) -> str:
        members, problem = _parse_object(text)
        if members is None:
            raise self._error(f"secret value is not valid JSON: {problem}")
        if self.key not in members:
            raise self._error(f'key "{self.key}" not found in JSON')
        value = members[self.key]
        if not isinstance(value, str):
            raise self._error(f'key "{self.key}" is not a string (type {_GO_TYPES.get(type(value), "<nil>")})')
        if not value:
            raise self._error(f'key "{self.key}" is an empty string')
        if not _is_encodable(value):
            raise self._error(f'key "{self.key}" holds half a character (a lone surrogate)')
        return value

    def _error(self, what: str) -> SecretUnavailable:
        return SecretUnavailable(f'extracting json_key "{self.key}" from secret "{self.name}": {what}')


def _parse_object(text: str) -> tuple[dict[str, Any] | None, str]:
    """The members, or None and what is wrong. Returns rather than raises: no exception may carry the document along."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return None, f"{error.msg} at character {error.pos}"
    except (ValueError, RecursionError) as error:
        return None, type(error).__name__
    return (document, "") if isinstance(document, dict) else (None, "it is not an object")


def _is_encodable(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
