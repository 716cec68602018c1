"""
Proxy tokens in the text messages of a WebSocket: secrets towards the upstream, tokens again towards the client.

Prepared with the request that opens the session, since messages cannot wait for a source: the secrets of the entries
that say `match_websocket` are fetched then, and serve until the session ends. One of the few places where a secret's
text is revealed. How messages are taken out of frames and put back is `protocols/websocket_messages.py`.
"""

import json
from collections.abc import Callable, Mapping

from iron_proxy.errors import SecretUnavailable, TransformError
from iron_proxy.pipeline.exchange import Exchange, JSONValue
from iron_proxy.protocols.websocket_messages import FrameViolation, MessageRewriting, TextStream
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear
from iron_proxy.transforms.secrets.plan import Plan, Scanner
from iron_proxy.transforms.secrets.replace import MAX_GROWTH
from iron_proxy.transforms.secrets.scrubbers import SentSecrets
from iron_proxy.transforms.secrets.settlement import Refusal
from iron_proxy.transforms.secrets.streaming import LiveReplacement, Replacer, StreamingReplacement

_WEBSOCKET = b"websocket"
_EXTENSIONS = b"sec-websocket-extensions"
# How a JSON text begins that can hold a string.
_JSON_STARTS = (b"{", b"[", b'"')
_BLANKS = b" \t\r\n"

# Ten thousand tokens at most, before the growth is looked at.
_SLICE_BYTES = 64 * 1024

Secrets = Mapping[Entry, Secret]


async def prepare_messages(exchange: Exchange, plan: Plan, sent: SentSecrets) -> Refusal | None:
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
        to_upstream = _Swapping(_swaps_for(plan, scanner, secrets), tally)
        for entry, secret in secrets.items():     # before the first message comes that it goes into
            sent.note(entry, secret)
        exchange.rewriting += (MessageRewriting(to_upstream, _Scrubbing(sent, tally)),)
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


class MessageSwaps:
    """Which token becomes what, compiled; for all sessions in which the same secrets are used."""

    def __init__(self, scanner: Scanner, secrets: Secrets) -> None:
        self.secrets = dict(secrets)
        self.names: dict[bytes, str] = {}
        texts: dict[bytes, str] = {}
        for token, owners in scanner.owners.items():
            entry = next((owner.entry for owner in owners if owner.entry in secrets), None)
            if entry is not None:
                self.names[token] = entry.name
                texts[token] = _text_of(secrets[entry])
        # A longer token of another entry stands for itself, and hides the shorter one within it.
        others = {token: token for token in scanner.tokens.tokens - texts.keys()}
        self.plain = Replacer(others | {token: text.encode() for token, text in texts.items()})
        in_json = {token: _json(text) for token, text in texts.items()}
        for token, new in list(in_json.items()):
            for spelling in _json_spellings(token):
                in_json.setdefault(spelling, new)
                self.names.setdefault(spelling, self.names[token])
        self.in_json = Replacer(others | in_json)

    def serves(self, secrets: Secrets) -> bool:
        """Whether these are the secrets: the same object is the same value (see Source)."""
        return self.secrets.keys() == secrets.keys() and all(
            secret is secrets[entry] for entry, secret in self.secrets.items()
        )


def _swaps_for(plan: Plan, scanner: Scanner, secrets: Secrets) -> MessageSwaps:
    """Kept with the plan: a client opens as many sessions as it likes, and compiling takes milliseconds."""
    swaps: MessageSwaps | None = plan.message_swaps
    if swaps is None or not swaps.serves(secrets):
        swaps = plan.message_swaps = MessageSwaps(scanner, secrets)
    return swaps


class _Swapping:
    """Towards the upstream. A message that looks like JSON stays JSON: a secret is written with its escapes."""

    def __init__(self, swaps: MessageSwaps, tally: _Tally) -> None:
        self._swaps = swaps
        self._tally = tally

    def begin(self, beginning: bytes) -> TextStream:
        is_json = beginning.lstrip(_BLANKS).startswith(_JSON_STARTS)
        return _Counted((self._swaps.in_json if is_json else self._swaps.plain).stream(), self._count)

    def _count(self, counts: dict[bytes, int]) -> None:
        for token, count in counts.items():
            if token in self._swaps.names:
                self._tally.add(self._swaps.names[token], "swapped", count)


class _Scrubbing:
    """Towards the client: every secret that has gone to the upstream by then, in this session or otherwise."""

    def __init__(self, sent: SentSecrets, tally: _Tally) -> None:
        self._sent = sent
        self._tally = tally

    def begin(self, beginning: bytes) -> TextStream:
        return _Counted(LiveReplacement(lambda: self._sent.redactor.natural), self._count)

    def _count(self, counts: dict[bytes, int]) -> None:
        names = self._sent.redactor.names
        for spelling, count in counts.items():
            if spelling in names:                 # not one of a value that has been rotated out meanwhile
                self._tally.add(names[spelling], "redacted", count)


class _Counted:
    """
    The replacement in one message, which reports its counts when it has ended.

    It goes in slices: how much longer the message becomes is known before much of it has been made.
    """

    __slots__ = ("_growth", "_report", "_stream")

    def __init__(
        self, stream: StreamingReplacement | LiveReplacement, report: Callable[[dict[bytes, int]], None]
    ) -> None:
        self._stream = stream
        self._report = report
        self._growth = 0

    def feed(self, piece: bytes) -> bytes:
        """What may be passed on now. Raises FrameViolation where the message becomes too long."""
        if len(piece) <= _SLICE_BYTES:
            return self._checked(piece)
        return b"".join(
            self._checked(piece[start : start + _SLICE_BYTES]) for start in range(0, len(piece), _SLICE_BYTES)
        )

    def end(self) -> bytes:
        rest = self._stream.end()
        if self._stream.counts:
            self._report(self._stream.counts)
        return rest

    def _checked(self, piece: bytes) -> bytes:
        new = self._stream.feed(piece)
        self._growth += len(new) - len(piece)
        if self._growth > MAX_GROWTH:
            raise FrameViolation(f"the secrets would make a message longer by more than {MAX_GROWTH} bytes")
        return new


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
