"""
What a Content-Encoding field names, and the errors of a body that is not what it names.

Codings are in the order of the field, which is the order in which they were applied (RFC 9110 section 8.4). The work
is done in `decoder.py` and `encoder.py`.
"""

from collections.abc import Sequence

from iron_proxy.errors import IronProxyError

GZIP, DEFLATE, BROTLI, ZSTD = "gzip", "deflate", "br", "zstd"

# The names that we know what to do with, as RFC 9110 section 8.4.1, RFC 7932 and RFC 8878 register them; x-gzip is an
# old spelling that a recipient is to take for gzip (RFC 9110 section 8.4.1.3). `compress` (and its x-compress) is LZW:
# no client sends it and no browser reads it, so it is as unknown as any other name.
_KNOWN = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": DEFLATE, b"br": BROTLI, b"zstd": ZSTD}
_IDENTITY = b"identity"

# One is what everybody sends; two happen where a proxy codes what was coded already. Each costs its own memory and is
# one more factor in what a few bytes can swell to.
MAX_CODINGS = 3


class BadCoding(IronProxyError):
    """
    A body is not what its Content-Encoding says, or was cut short. The message is a fixed sentence.

    The status is for a request; of an answer it is the upstream's fault, and the caller says so.
    """

    status = 400


class CodingBomb(BadCoding):
    """A coded body swells beyond what we decode."""

    status = 413


def parse_codings(values: Sequence[bytes]) -> tuple[str, ...] | None:
    """
    The codings that the Content-Encoding fields of a message name, in order; None where one cannot be decoded.

    `()` says that the body is as it is. None stands for an unknown coding, or for more than MAX_CODINGS.
    """
    members = [member.strip(b" \t").lower() for value in values for member in value.split(b",")]
    applied = [member for member in members if member and member != _IDENTITY]
    if len(applied) > MAX_CODINGS or not _KNOWN.keys() >= set(applied):
        return None
    return tuple(_KNOWN[member] for member in applied)
