"""
A body whose tokens are swapped while it streams: longer than may be held, or still arriving while both sides talk.

Three sources, one around the other: codings are taken off, tokens swapped, codings put on again. A secret is asked for
when its token has been found, which may be when the request's head is already with the upstream: what can no longer be
refused breaks the request off.
"""

from collections.abc import Callable, Mapping, Sequence

from iron_proxy.errors import SecretUnavailable, TransformError
from iron_proxy.messages.body import BodySource
from iron_proxy.messages.headers import Pair
from iron_proxy.messages.request import Request
from iron_proxy.protocols.content_coding.decoder import Decoder, make_decoder
from iron_proxy.protocols.content_coding.encoder import Encoder, make_encoder
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.body_search import BodyFindings
from iron_proxy.transforms.secrets.body_tokens import SpelledTokens, TokenStream
from iron_proxy.transforms.secrets.digests import vouching_field
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear
from iron_proxy.transforms.secrets.plan import BodyScanner, Owner
from iron_proxy.transforms.secrets.replace import Growth, written
from iron_proxy.transforms.secrets.tokens import Span

# Told of each entry whose secret took a token's place, and of each whose secret did not fit.
Used = Callable[[Entry, Secret], None]
Unfit = Callable[[Entry], None]

_Key = tuple[bytes, str]


def stream_body(
    scanner: BodyScanner,
    request: Request,
    findings: BodyFindings,
    secrets: Mapping[Entry, Secret],
    used: Used,
    unfit: Unfit,
) -> bool:
    """
    Let the tokens be swapped as the body goes by; `secrets` are those at hand. False where it has to go as it is.

    Where a token was found the length may change; where none was, the length that was promised is kept.
    """
    body = request.body
    keeps_promise = not findings.hits and body.length is not None
    if findings.codings and keeps_promise:
        return False
    length = body.length
    if findings.codings or (findings.hits and not _all_fit(scanner, findings, secrets)):
        length = None
    keeps_length = length is not None or findings.keeps_length
    swaps = _Swaps(scanner, request, findings, secrets, keeps_length, used, unfit)

    def wrap(source: BodySource) -> BodySource:
        if not findings.codings:
            return SwappedBody(source, findings.tokens, swaps)
        decoder = make_decoder(findings.codings)
        swapped = SwappedBody(_Decoded(source, decoder), findings.tokens, swaps)
        return _Encoded(swapped, lambda: _encoder_like(decoder, findings.codings), is_live=findings.is_live)

    body.stream_through(wrap, length)
    return True


def _all_fit(scanner: BodyScanner, findings: BodyFindings, secrets: Mapping[Entry, Secret]) -> bool:
    """Whether every token that may come is as long as what takes its place, so that the length stays."""
    if findings.keeps_length:
        return True
    if findings.spelling.name:                    # an escape is longer than what it spells
        return False
    return all(
        owner.entry in secrets and len(written(secrets[owner.entry], findings.spelling)) == len(token)
        for token, owners in scanner.owners.items()
        for owner in owners
    )


class SwappedBody:
    """The source that swaps tokens in another one's pieces."""

    def __init__(self, source: BodySource, tokens: SpelledTokens, swaps: "_Swaps") -> None:
        self.trailers: Sequence[Pair] = ()
        self._source = source
        self._stream = TokenStream(tokens)
        self._swaps = swaps
        self._ended = False
        self._text = b""                          # decided, and not yet passed on
        self._spans: list[Span] = []              # the tokens in it

    async def read_body(self) -> bytes:
        """The next piece. Raises TransformError where a secret cannot be had or must not go."""
        while True:
            for key in self._keys():
                await self._swaps.resolve(*key)
            if piece := self._pass_on():
                return piece
            if self._ended:
                return b""
            self._take(await self._source.read_body())

    def read_body_nowait(self) -> bytes | None:
        """The same from what is here; None also where a secret has to be waited for."""
        while True:
            if not all(self._swaps.resolve_nowait(*key) for key in self._keys()):
                return None
            if piece := self._pass_on():
                return piece
            if self._ended:
                return b""
            taken = self._source.read_body_nowait()
            if taken is None:
                return None
            self._take(taken)

    def _take(self, piece: bytes) -> None:
        if piece:
            self._text, self._spans = self._stream.feed(piece)
            return
        self._ended = True
        self.trailers = self._source.trailers
        self._text, self._spans = self._stream.end()

    def _keys(self) -> list[_Key]:
        return [self._key(span) for span in self._spans]

    def _key(self, span: Span) -> _Key:
        start, end, token = span
        return token, "" if self._text[start:end] == token else self._swaps.spelling.name

    def _pass_on(self) -> bytes:
        text, spans = self._text, self._spans
        if spans:
            pieces: list[bytes] = []
            position = 0
            for span in spans:
                start, end, _ = span
                new = self._swaps.replacement(*self._key(span), size=end - start)
                if new is not None:
                    pieces += (text[position:start], new)
                    position = end
            text = b"".join((*pieces, text[position:]))
        if spans or self._ended:
            self._swaps.check_digests(self.trailers)
        self._text, self._spans = b"", []
        return text


class _Swaps:
    """What takes the tokens' places in one body, found out one by one."""

    def __init__(
        self,
        scanner: BodyScanner,
        request: Request,
        findings: BodyFindings,
        secrets: Mapping[Entry, Secret],
        keeps_length: bool,
        used: Used,
        unfit: Unfit,
    ) -> None:
        self._scanner = scanner
        # Not the request: it has the body, which has this, and its megabytes would wait for a collector of cycles.
        self._headers, self._scheme, self._target = request.headers, request.scheme, request.target
        self._is_compressed = bool(findings.codings)
        self._secrets = dict(secrets)
        self._keeps_length = keeps_length
        self._used = used
        self._unfit = unfit
        self._known: dict[_Key, tuple[Entry, Secret, bytes] | None] = {}
        self._has_swapped = False
        self._growth = Growth()
        self.spelling = findings.spelling

    async def resolve(self, token: bytes, way: str) -> None:
        """Fetch what belongs in the place of a token. Raises TransformError."""
        if self.resolve_nowait(token, way):
            return
        for owner in self._owners(token, way):
            try:
                secret = await owner.entry.source.get()
            except SecretUnavailable:
                continue
            self._know(token, way, owner.entry, secret)
            return
        name = self._owners(token, way)[0].entry.name
        raise TransformError(f'secret "{name}" is unavailable, and its token is in a body that is being sent')

    def resolve_nowait(self, token: bytes, way: str) -> bool:
        """Whether it is known what belongs there without waiting. Raises TransformError."""
        if (token, way) in self._known:
            return True
        owners = self._owners(token, way)
        if not owners:
            self._known[token, way] = None
            return True
        for owner in owners:
            self._check_may_go(owner.entry)
        entry = owners[0].entry
        secret = self._secrets.get(entry) or entry.source.current
        if secret is None:
            return False
        self._know(token, way, entry, secret)
        return True

    def replacement(self, token: bytes, way: str, *, size: int) -> bytes | None:
        """
        What takes a resolved token's place, where it is `size` bytes long; None leaves it there.

        Raises TransformError where that has become too much.
        """
        known = self._known[token, way]
        if known is None:
            return None
        entry, secret, new = known
        if self._keeps_length and len(new) != size:
            self._unfit(entry)
            return None
        self._growth.add(new, size)
        self._used(entry, secret)
        self._has_swapped = True
        return new

    def check_digests(self, trailers: Sequence[Pair]) -> None:
        """Raise TransformError where a field, before or behind the body, vouches for what was changed."""
        field = vouching_field([*self._headers.fields, *trailers]) if self._has_swapped else ""
        if field:
            raise TransformError(f"the body holds a proxy token and the header {field} vouches for it")

    def _owners(self, token: bytes, way: str) -> tuple[Owner, ...]:
        return self._scanner.owners_of(token, way, is_compressed=self._is_compressed)

    def _know(self, token: bytes, way: str, entry: Entry, secret: Secret) -> None:
        self._known[token, way] = (entry, secret, written(secret, self.spelling))

    def _check_may_go(self, entry: Entry) -> None:
        if not entry.allow_plaintext and not may_go_in_clear(self._scheme, self._target):
            raise TransformError(f'secret "{entry.name}" would go over plain HTTP')


class _Decoded:
    """Takes the codings off a source's pieces. Raises BadCoding, CodingBomb."""

    def __init__(self, source: BodySource, decoder: Decoder) -> None:
        self.trailers: Sequence[Pair] = ()
        self._source = source
        self._decoder = decoder

    async def read_body(self) -> bytes:
        while not (piece := self._decoder.read()):
            coded = await self._source.read_body()
            if not coded:
                return self._end()
            self._decoder.feed(coded)
        return piece

    def read_body_nowait(self) -> bytes | None:
        while not (piece := self._decoder.read()):
            coded = self._source.read_body_nowait()
            if not coded:
                return None if coded is None else self._end()
            self._decoder.feed(coded)
        return piece

    def _end(self) -> bytes:
        self._decoder.end()
        self.trailers = self._source.trailers
        return b""


class _Encoded:
    """Puts codings on a source's pieces; with `is_live` each can be read by the upstream as soon as it has come."""

    def __init__(self, source: BodySource, make: Callable[[], Encoder], *, is_live: bool) -> None:
        self.trailers: Sequence[Pair] = ()
        self._source = source
        self._make = make
        self._encoder: Encoder | None = None      # made when the decoder has seen how the body is coded
        self._is_live = is_live
        self._ended = False

    async def read_body(self) -> bytes:
        while not self._ended:
            if coded := self._code(await self._source.read_body()):
                return coded
        return b""

    def read_body_nowait(self) -> bytes | None:
        while not self._ended:
            piece = self._source.read_body_nowait()
            if piece is None:
                return None
            if coded := self._code(piece):
                return coded
        return b""

    def _code(self, piece: bytes) -> bytes:
        encoder = self._encoder = self._encoder or self._make()
        if piece:
            return encoder.feed(piece) + (encoder.flush() if self._is_live else b"")
        self._ended = True
        self.trailers = self._source.trailers
        return encoder.end()


def _encoder_like(decoder: Decoder, codings: tuple[str, ...]) -> Encoder:
    return make_encoder(codings, bare_deflate=decoder.is_bare_deflate)
