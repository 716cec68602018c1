"""
Whether known tokens stand in a request, anywhere: header fields, host name, path, query, and a body that is here.

For tokens that should not be there (`tripwires.py` says which). Unlike `locations.py` this looks at everything,
whatever an entry says of where its token counts, and it never waits: a body that is still arriving stays unread.
"""

from collections.abc import Iterable
from typing import NamedTuple

from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.messages.request import Request
from iron_proxy.transforms.secrets import percent
from iron_proxy.transforms.secrets.basic import decode_basic
from iron_proxy.transforms.secrets.streaming import Replacer
from iron_proxy.transforms.secrets.tokens import TokenSet, distinct_tokens

# The proxy gathers bodies up to this size before it forwards them anyway; a token is some tens of bytes.
_SMALL_BODY = 64 * 1024

_BASIC = b"basic "
_FORM = b"application/x-www-form-urlencoded"


class Sighting(NamedTuple):
    """A token that was seen, and where. The place never holds a token's text."""

    token: bytes
    location: str


Sightings = tuple[Sighting, ...]


class TokenWatch:
    """Known tokens, compiled to be looked for. `tokens` must not be empty, nor hold an empty one."""

    __slots__ = ("_in_bodies", "_lowered", "_spelled", "_tokens", "search", "shortest")

    def __init__(self, tokens: Iterable[bytes]) -> None:
        self._tokens = TokenSet(tokens)
        self.search = self._tokens.search
        known = self._tokens.tokens
        self.shortest = min(map(len, known))  # nothing shorter holds a token, coded or not
        # Host names and, in HTTP/2, the names of fields come in lower case.
        self._spelled = {token.lower(): token for token in sorted(known, reverse=True)}
        self._lowered = TokenSet(self._spelled)
        self._in_bodies = Replacer(dict.fromkeys(known, b""))

    def in_head(self, fields: Fields | list[Pair], host: str) -> Sightings:
        """What header fields (names, values, Basic credentials) and the host name hold."""
        text = b"\n".join([host.encode("latin-1"), *[part for pair in fields for part in pair]]).lower()
        if _BASIC not in text and self._lowered.search(text) is None:
            return ()
        found = _at("host", self._in_lower_case(host.encode("latin-1")))
        shortest, search = self.shortest, self.search
        for name, value in fields:
            # Spares nearly every field the closer look.
            if len(name) >= shortest or (
                len(value) >= shortest and (search(value) is not None or value[: len(_BASIC)].lower() == _BASIC)
            ):
                found += self._in_field(name, value)
        return tuple(dict.fromkeys(found))

    def in_path(self, raw_path: bytes) -> Sightings:
        """What the decoded path holds."""
        if b"%" not in raw_path and self.search(raw_path) is None:
            return ()
        return tuple(_at("path", self._in(percent.decode(raw_path))))

    def in_query(self, raw_query: bytes) -> Sightings:
        """What keys and values of the query hold, decoded."""
        if b"%" not in raw_query and b"+" not in raw_query and self.search(raw_query) is None:
            return ()
        whole = self._in(percent.decode(raw_query, plus_is_space=True))
        if not whole:
            return ()
        found: dict[Sighting, None] = {}
        for parameter in raw_query.split(b"&"):
            key, _, value = (percent.decode(part, plus_is_space=True) for part in parameter.partition(b"="))
            in_key = self._in(key)
            location = "query" if in_key else f"query:{key.decode('utf-8', 'replace')}"
            found.update(dict.fromkeys(_at(location, [*in_key, *self._in(value)])))
        seen = {sighting.token for sighting in found}
        return (*found, *_at("query", [token for token in whole if token not in seen]))

    def in_body(self, request: Request) -> Sightings:
        """What the body holds, if it is small and here, or was read already; as it is, and a form also decoded."""
        content = request.body.gather_nowait(_SMALL_BODY)
        if content is None or len(content) < self.shortest:
            return ()
        found = self._in_text(content)
        if b"%" in content and (request.headers.get(b"content-type") or b"").lower().startswith(_FORM):
            found += self._in_text(percent.decode(content, plus_is_space=True))
        return tuple(dict.fromkeys(_at("body", found)))

    def _in_field(self, name: bytes, value: bytes) -> list[Sighting]:
        in_name = self._in_lower_case(name)
        found = _at("header name", in_name)
        credentials = decode_basic(value) if value[: len(_BASIC)].lower() == _BASIC else None
        location = "header" if in_name else f"header:{name.decode('latin-1')}"
        found += _at(location, self._in(value))
        return found if credentials is None else found + _at(location, self._in(credentials))

    def _in(self, text: bytes) -> list[bytes]:
        return distinct_tokens(self._tokens.find(text)) if len(text) >= self.shortest else []

    def _in_lower_case(self, text: bytes) -> list[bytes]:
        if len(text) < self.shortest:
            return []
        return [self._spelled[token] for token in distinct_tokens(self._lowered.find(text.lower()))]

    def _in_text(self, text: bytes) -> list[bytes]:
        # In long texts without any, several times as fast as the search that tells which one it is.
        return [] if self._in_bodies.first_match(text) is None else self._in(text)


def _at(location: str, tokens: list[bytes]) -> list[Sighting]:
    return [Sighting(token, location) for token in tokens]
