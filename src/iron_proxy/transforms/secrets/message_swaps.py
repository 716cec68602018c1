"""
Proxy tokens in the text messages of a WebSocket: secrets towards the upstream, tokens again towards the client.

Prepared with the request that opens the session, since messages cannot wait for a source: the secrets of the entries
that say `match_websocket` are fetched then, and serve until the session ends. One of the few places where a secret's
text is revealed. How messages are taken out of frames and put back is `protocols/websocket_messages.py`.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from iron_proxy.errors import SecretUnavailable, TransformError
from iron_proxy.pipeline.exchange import Exchange, JSONValue
from iron_proxy.protocols.websocket_messages import MessageRewriting, TextStream
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear
from iron_proxy.transforms.secrets.plan import Plan, Scanner
from iron_proxy.transforms.secrets.redact import Redactor
from iron_proxy.transforms.secrets.settlement import Refusal
from iron_proxy.transforms.secrets.streaming import Replacer, StreamingReplacement

_WEBSOCKET = b"websocket"
_EXTENSIONS = b"sec-websocket-extensions"
# How a JSON text begins that can hold a string.
_JSON_STARTS = (b"{", b"[", b'"')
_BLANKS = b" \t\r\n"

Secrets = Mapping[Entry, Secret]


async def prepare_messages(exchange: Exchange, plan: Plan) -> Refusal | None:
    """
    Have the text messages rewritten, if this request opens a WebSocket and an entry wants it.

    Extensions are taken out of what the client offers: compressed messages could not be read. Raises TransformError for
    a secret that is not text.
    """
    scanner, request = plan.messages, exchange.request
    if scanner is None or request.upgrade != _WEBSOCKET:
        return None
    is_private = may_go_in_clear(request.scheme, request.target)
    secrets: dict[Entry, Secret] = {}
    for entry in dict.fromkeys(owner.entry for owners in scanner.owners.values() for owner in owners):
        if not (is_private or entry.allow_plaintext):
            continue  # its token goes on as it is
        try:
            secrets[entry] = await entry.source.get()
        except SecretUnavailable:
            if entry.require:
                return Refusal(entry, "secret_unavailable", "the secret is unavailable")
    if secrets:
        request.headers.remove(_EXTENSIONS)
        tally = _Tally(exchange, secrets)
        to_upstream = _Swapping(scanner, secrets, tally)
        exchange.rewriting += (MessageRewriting(to_upstream, _Scrubbing(plan, secrets, tally)),)
    return None


class _Tally:
    """Counts for the audit record, which is written when the session has ended: its `websocket` annotation."""

    def __init__(self, exchange: Exchange, secrets: Secrets) -> None:
        self._rows: list[dict[str, JSONValue]] = []
        exchange.annotate("websocket", self._rows)
        for entry in secrets:
            self.add(entry.name, "swapped", 0)

    def add(self, name: str, what: str, count: int) -> None:
        """`what` is `swapped` or `redacted`."""
        row = next((row for row in self._rows if row["secret"] == name), None)
        if row is None:
            row = {"secret": name, "swapped": 0, "redacted": 0}
            self._rows.append(row)
        row[what] += count


class _Swapping:
    """Towards the upstream. A message that looks like JSON stays JSON: a secret is written with its escapes."""

    def __init__(self, scanner: Scanner, secrets: Secrets, tally: _Tally) -> None:
        self._tally = tally
        self._names: dict[bytes, str] = {}
        texts: dict[bytes, str] = {}
        for token, owners in scanner.owners.items():
            entry = next((owner.entry for owner in owners if owner.entry in secrets), None)
            if entry is not None:
                self._names[token] = entry.name
                texts[token] = _text_of(secrets[entry])
        # A longer token of another entry stands for itself, and hides the shorter one within it.
        others = {token: token for token in scanner.tokens.tokens - texts.keys()}
        self._plain = Replacer(others | {token: text.encode() for token, text in texts.items()})
        in_json = {token: _json(text) for token, text in texts.items()}
        for token, new in list(in_json.items()):
            for spelling in _json_spellings(token):
                in_json.setdefault(spelling, new)
                self._names.setdefault(spelling, self._names[token])
        self._in_json = Replacer(others | in_json)

    def begin(self, beginning: bytes) -> TextStream:
        is_json = beginning.lstrip(_BLANKS).startswith(_JSON_STARTS)
        return _Counted((self._in_json if is_json else self._plain).stream(), self._count)

    def _count(self, counts: dict[bytes, int]) -> None:
        for token, count in counts.items():
            if token in self._names:
                self._tally.add(self._names[token], "swapped", count)


class _Scrubbing:
    """Towards the client: every secret that may have gone to the upstream in this session, or when it was opened."""

    def __init__(self, plan: Plan, secrets: Secrets, tally: _Tally) -> None:
        self._plan, self._secrets, self._tally = plan, secrets, tally
        self._redactor: Redactor | None = None

    def begin(self, beginning: bytes) -> TextStream:
        if self._redactor is None:  # by now the opening has been sent, with all that was put into it
            self._redactor = Redactor(list(self._used()))
        return _Counted(self._redactor.natural.stream(), self._count)

    def _used(self) -> Iterable[tuple[Entry, Secret]]:
        for entry in self._plan.entries:
            secret = self._secrets.get(entry) or entry.source.current
            if secret is not None and entry.redact_responses:
                yield entry, secret

    def _count(self, counts: dict[bytes, int]) -> None:
        names = {} if self._redactor is None else self._redactor.names
        for spelling, count in counts.items():
            self._tally.add(names[spelling], "redacted", count)


class _Counted:
    """The replacement in one message, which reports its counts when it has ended."""

    __slots__ = ("_report", "_stream")

    def __init__(self, stream: StreamingReplacement, report: Callable[[dict[bytes, int]], None]) -> None:
        self._stream = stream
        self._report = report

    def feed(self, piece: bytes) -> bytes:
        return self._stream.feed(piece)

    def end(self) -> bytes:
        rest = self._stream.end()
        if self._stream.counts:
            self._report(self._stream.counts)
        return rest


def _text_of(secret: Secret) -> str:
    """A text message is UTF-8 (RFC 6455 section 5.6): anything else in it ends the session."""
    text = secret.reveal()
    try:
        text.encode()
    except UnicodeEncodeError:
        problem = f'secret "{secret.name}" is not UTF-8 and cannot stand in a text message'
        raise TransformError(problem) from None
    return text


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


def _json_spellings(token: bytes) -> set[bytes]:
    """How common programs write a token in JSON, where that differs from the token itself."""
    text = token.decode("utf-8", "surrogateescape")
    coded = {json.dumps(text, ensure_ascii=only_ascii)[1:-1] for only_ascii in (False, True)}
    spelt = coded | {each.replace("/", r"\/") for each in coded}
    return {each.encode("utf-8", "surrogateescape") for each in spelt} - {token}
