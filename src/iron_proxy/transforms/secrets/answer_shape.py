"""
What a response's header fields say about how its body is to be scrubbed, and whether they hold a secret themselves.

Found once per set of fields where a connection repeats them (`messages/headers.py`).
"""

from collections.abc import Sequence

from iron_proxy.messages.headers import Fields, Headers, Pair
from iron_proxy.protocols.content_coding.codings import parse_codings
from iron_proxy.transforms.secrets.redact import Redactor

# Vouch for the bytes of the body: where these change, the field goes. `x-goog-hash` is Google Cloud Storage's.
_DIGESTS = frozenset((b"content-md5", b"digest", b"content-digest", b"repr-digest", b"x-goog-hash"))
_DIGEST_PREFIX = b"x-amz-checksum-"

# Words of a media type that tell a text: its reader finds the end of a value by a quote, a bracket or a line's end.
# In every other format something may count the bytes, or a checksum vouch for them.
_TEXTS = (b"json", b"xml", b"javascript", b"ecmascript", b"x-www-form-urlencoded", b"yaml", b"graphql", b"toml")
# How the messages within the body are coded, which we do not decode.
_MESSAGE_CODINGS = (b"grpc-encoding", b"connect-content-encoding")
# These wrap their messages in a length, whatever the messages are.
_FRAMED = (b"application/grpc", b"application/connect+")


class AnswerShape:
    """The facts. They are true for one redactor only."""

    __slots__ = ("codings", "has_opaque_messages", "is_clean", "is_text", "must_be_decoded", "redactor")

    def __init__(self, fields: Sequence[Pair], redactor: Redactor) -> None:
        self.redactor = redactor
        # A secret of several lines does not stand in a field: what seems to go over the border of two is looked at.
        self.is_clean = redactor.natural.first_match(b"\n".join([value for _, value in fields])) is None
        content_type, codings, self.has_opaque_messages = b"", [], False
        for name, value in fields:
            if len(name) >= redactor.shortest and redactor.owner_in(name) is not None:
                self.is_clean = False
            lower = name.lower()
            if lower == b"content-type":
                content_type = value
            elif lower == b"content-encoding":
                codings.append(value)
            elif lower in _MESSAGE_CODINGS and value.strip().lower() not in (b"", b"identity"):
                self.has_opaque_messages = True
        self.is_text = content_type != b"" and is_text(content_type)
        self.codings = parse_codings(codings) if codings else ()    # None: one that we do not know
        self.must_be_decoded = self.codings != () or self.has_opaque_messages


def shape_of(headers: Headers, redactor: Redactor) -> AnswerShape:
    """The shape of a response with these fields; from the last time, if these very fields have come before."""
    return shape_of_fields(headers.fields, redactor)


def shape_of_fields(fields: Sequence[Pair], redactor: Redactor) -> AnswerShape:
    """The same for the fields alone, those behind a body as well."""
    if type(fields) is not Fields:
        return AnswerShape(fields, redactor)
    shape: AnswerShape | None = fields.answer_shape
    if shape is None or shape.redactor is not redactor:
        shape = fields.answer_shape = AnswerShape(fields, redactor)
    return shape


def is_text(content_type: bytes) -> bool:
    """Whether a body of this type may become longer or shorter and still be read."""
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type.startswith(_FRAMED):
        return False
    return media_type.startswith(b"text/") or any(word in media_type for word in _TEXTS)


def forget_digests(headers: Headers) -> None:
    """The body is no longer what these fields vouch for: digests go, a strong ETag becomes a weak one."""
    headers.remove_where(lambda name: name.lower() in _DIGESTS or name.lower().startswith(_DIGEST_PREFIX))
    tag = headers.get(b"etag")
    if tag is not None and not tag.startswith(b"W/"):
        headers.set(b"ETag", b"W/" + tag)


def forget_codings(headers: Headers) -> None:
    """The body has been decoded."""
    headers.remove(b"content-encoding")
    forget_digests(headers)
