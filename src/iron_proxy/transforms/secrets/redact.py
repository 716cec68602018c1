"""
What to look for in a response to a request that secrets went into, and what takes its place.

A `Redactor` is compiled once for the secrets that an upstream was given (`scrubbers.py` keeps it). How a response is
gone through is `scrubbing.py`. One of the few places where a secret's text is revealed.
"""

import re
from collections.abc import Iterable, Iterator

from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets import percent
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.needle_search import Search, search_for
from iron_proxy.transforms.secrets.spellings import coverage_note, fit, spellings_of
from iron_proxy.transforms.secrets.streaming import Replacer

# What may be put into a header field, a JSON string, a link and HTML alike.
_UNSAFE_IN_TOKEN = re.compile(rb"[\x00-\x20\x7f]")
# What armour (RFC 7468) breaks a key into: 64 or 76 characters of base64. Shorter lines stand in other places too.
_KEY_LINE = re.compile(rb"[A-Za-z0-9+/=_-]{40,}")
_ESCAPE = re.compile(rb"%..")
# What a line that stands by itself becomes: a bare `*` stands for itself to every decoder.
_PADDING = b"*"
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._/@:-]")

# gRPC's and Connect's are about each message in the body.
_ACCEPT_ENCODING = (b"accept-encoding", b"grpc-accept-encoding", b"connect-accept-encoding")
_IDENTITY = b"identity"
# What asks for a part of the answer (Azure has a field of its own), for the difference from another one (RFC 3229), or
# for a character set in which the secret would have another spelling.
_LEFT_OUT = (b"range", b"if-range", b"x-ms-range", b"a-im", b"accept-charset")


class SpelledSecret:
    """One secret in all its spellings, worked out once: a key file's take some milliseconds."""

    __slots__ = ("_in_events", "_in_place", "_stand_in", "_value", "name", "natural", "secret")

    def __init__(self, entry: Entry, secret: Secret) -> None:
        self.secret = secret
        self.name = entry.name
        self._value = _bytes_of(secret)
        self._stand_in = stand_in_for(entry, self._value)
        self.natural = self._spellings(same_length=False)         # for what may change its length: fields, texts
        self._in_place: dict[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"<SpelledSecret {self.name}>"

    @property
    def in_place(self) -> dict[bytes, bytes]:
        """For what must keep its length."""
        if self._in_place is None:
            self._in_place = self._spellings(same_length=True)
        return self._in_place

    def _spellings(self, *, same_length: bool) -> dict[bytes, bytes]:
        spellings = spellings_of(self._value, self._stand_in, same_length=same_length)
        if spellings:
            in_events = _in_events(self._value)
            stand_in = self._stand_in
            spellings |= {each: fit(stand_in, len(each)) if same_length else stand_in for each in in_events}
            for line in _key_lines(self._value):
                spellings.setdefault(line, _PADDING * len(line))
        return spellings


class Redactor:
    """The spellings of some secrets. `names` tells whose each is; `shortest` is the size of the shortest one."""

    __slots__ = ("_in_field_names", "_in_place", "_lower_names", "names", "natural", "secrets", "shortest")

    def __init__(self, secrets: Iterable[SpelledSecret]) -> None:
        self.secrets = tuple(secrets)
        self.names: dict[bytes, str] = {}
        self.natural = self._replacer(same_length=False)
        self._in_place: Replacer | None = None
        self.shortest = min(map(len, self.names), default=0)
        self._lower_names: dict[bytes, str] = {}
        self._in_field_names: Search | None = None

    def __repr__(self) -> str:
        return f"<Redactor of {[each.name for each in self.secrets]}>"

    @property
    def in_place(self) -> Replacer:
        """For what must keep its length; made when first needed, as many a proxy never needs it."""
        if self._in_place is None:
            self._in_place = self._replacer(same_length=True)
        return self._in_place

    def owner_in(self, field_name: bytes) -> str | None:
        """Whose secret stands in the name of a field, in whatever case (HTTP/2 writes all in lower case)."""
        if len(field_name) < self.shortest:
            return None
        if self._in_field_names is None:
            self._lower_names = {needle.lower(): name for needle, name in self.names.items()}
            self._in_field_names = search_for(self._lower_names)
        lower = field_name.lower()
        match = self._in_field_names(lower, 0)
        return None if match is None else self._lower_names[lower[match.start() : match.end()]]

    def _replacer(self, *, same_length: bool) -> Replacer:
        needles: dict[bytes, bytes] = {}
        for each in self.secrets:
            for needle, new in (each.in_place if same_length else each.natural).items():
                needles.setdefault(needle, new)
                self.names.setdefault(needle, each.name)
        return Replacer(needles, same_length=same_length)


def gap_of(entry: Entry, secret: Secret) -> str | None:
    """What responses are not scrubbed of, to follow the word "secret"; None where all is well."""
    return coverage_note(_bytes_of(secret), _wanted_stand_in(entry))


def stand_in_for(entry: Entry, value: bytes) -> bytes:
    """What takes the secret's place in responses; never anything that holds the secret itself."""
    value = value.strip()
    candidates = (_wanted_stand_in(entry), _placeholder(entry), b"[redacted]")
    return next((each for each in candidates if value not in each), b"***")


def _wanted_stand_in(entry: Entry) -> bytes:
    """The proxy token, so that the client reads back what it has sent; else, and where it has none, a placeholder."""
    token = entry.replacement.token if entry.replacement is not None else b""
    return token if token and not _UNSAFE_IN_TOKEN.search(token) else _placeholder(entry)


def _placeholder(entry: Entry) -> bytes:
    return f"[redacted:{_UNSAFE_IN_NAME.sub('_', entry.name)}]".encode()


def ask_for_readable(headers: Headers) -> None:
    """
    Ask for an answer that can be looked into: not coded, where the client says which codings it takes, and whole.

    Servers do not code unasked; what they have only in a coded form they send whatever the field says. gRPC has a field
    of its own for messages, which are compressed one by one. Parts could be asked for so that each holds half a secret.
    """
    if any(_is_in_the_way(name, value) for name, value in headers):
        headers.pairs = readable(headers.pairs)


def readable(pairs: list[Pair]) -> list[Pair]:
    """The fields of a request whose answer can be looked into."""
    return [
        (name, _IDENTITY) if _is_in_the_way(name, value) else (name, value)
        for name, value in pairs
        if name.lower() not in _LEFT_OUT
    ]


def _is_in_the_way(name: bytes, value: bytes) -> bool:
    lower = name.lower()
    return (lower in _ACCEPT_ENCODING and value != _IDENTITY) or lower in _LEFT_OUT


def _in_events(spelling: bytes) -> Iterator[bytes]:
    """A text of several lines as the data of an event (text/event-stream): each line has a label."""
    lines = spelling.strip().replace(b"\r\n", b"\n").split(b"\n")
    if len(lines) > 1:
        yield b"\ndata: ".join(lines)
        yield b"\ndata:".join(lines)


def _key_lines(value: bytes) -> Iterator[bytes]:
    """
    The lines of a key file that are its key: echoes indent them, quote them, and end them in other ways.

    As they are, in a link, and in the JSON of PHP.
    """
    lines = value.split()
    for line in lines if len(lines) > 1 else ():
        if _KEY_LINE.fullmatch(line):
            in_link = percent.encode(line)
            in_lower_case = _ESCAPE.sub(lambda escape: escape[0].lower(), in_link)
            yield from (line, line.replace(b"/", rb"\/"), in_link, in_lower_case)


def _bytes_of(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogateescape")
