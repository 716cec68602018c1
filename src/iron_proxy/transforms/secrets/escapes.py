"""
How widely used encoders write a text into a link, a form, JSON, a script or HTML: the dialects of four escapings.

They differ in which characters they leave alone and in how they write the others. Each dialect is a function from a
text to its spelling; `spellings.py` tries them all on a secret. Texts are bytes: what is not UTF-8 is taken byte by
byte, and has no JSON escapes but those of ASCII.
"""

import re
import string
from collections.abc import Callable, Mapping

# From a text to its spelling, which is never shorter. To every decoder a bare `*` in it stands for itself.
Coding = Callable[[bytes], bytes]

_ALPHANUMERIC = (string.ascii_letters + string.digits).encode()

# Characters left alone, and whether a space is "+".
_PERCENT = (
    (b"-._~", False),  # RFC 3986's unreserved
    (b"-._~", True),  # forms: Python's quote_plus, Go's QueryEscape
    (b"-._~/", False),  # Python's quote, links to objects
    (b"-._*", True),  # forms: URLSearchParams of browsers, Java's URLEncoder
    (b"-._~!*'()", False),  # encodeURIComponent
    (b"-._~$&+=:@", False),  # Go's PathEscape
    (b"-._~!$&'()*+,;=:@", False),  # a path segment, RFC 3986
    (b"-._~!$&'()*+,;=:@/", False),  # a path
    (b"-._~!$'()*,;:@/?", False),  # a value in a query that only "&", "=", "+" and "#" would end
    (b"-._~!*'();/?:@&=+$,#", False),  # encodeURI
    (b"-._", True),  # forms: PHP's urlencode
    (b"-._!*()", True),  # forms: .NET
    (b"@*_+-./", False),  # JavaScript's old escape
)

_SHORT_IN_JSON = {
    b"\b": rb"\b",
    b"\t": rb"\t",
    b"\n": rb"\n",
    b"\f": rb"\f",
    b"\r": rb"\r",
    b'"': rb"\"",
    b"\\": rb"\\",
}

# Further ASCII characters written as \uXXXX, whether "/" is "\/", whether all that is not ASCII is escaped, the case of
# the digits.
_JSON = (
    (b"", False, False, "x"),  # JavaScript, Rust, jq
    (b"\x7f", False, True, "x"),  # Python
    (b"", False, True, "X"),  # Jackson, when told to keep to ASCII
    (b"", True, False, "x"),  # PHP, when told to keep Unicode
    (b"", True, True, "x"),  # PHP
    (b"", True, True, "X"),
    (b"<>&", False, False, "x"),  # Go, Rails
    (b"<>&='", False, False, "x"),  # Gson
    (b"\"&'+<>`\x7f", False, True, "X"),  # System.Text.Json
    (b"&'<>\x7f", False, True, "x"),  # Flask, Jinja
)

_ANGLES = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;"}
_HTML: tuple[Mapping[bytes, bytes], ...] = (
    _ANGLES,  # text between tags
    {**_ANGLES, b'"': b"&quot;"},
    {**_ANGLES, b'"': b"&quot;", b"'": b"&#x27;"},  # Python, React
    {**_ANGLES, b'"': b"&quot;", b"'": b"&#39;"},  # Ruby, lodash, Spring
    {**_ANGLES, b'"': b"&quot;", b"'": b"&#039;"},  # PHP
    {**_ANGLES, b'"': b"&#34;", b"'": b"&#39;"},  # Go, Jinja
    {**_ANGLES, b'"': b"&#34;", b"'": b"&#39;", b"+": b"&#43;"},  # Go's templates
    {**_ANGLES, b'"': b"&quot;", b"'": b"&#x27;", b"+": b"&#x2B;", b"`": b"&#x60;"},  # ASP.NET
    {**_ANGLES, b'"': b"&quot;", b"'": b"&apos;"},  # XML
    {**_ANGLES, b'"': b"&quot;", b"'": b"&#39;", b"/": b"&#x2F;", b"`": b"&#x60;", b"=": b"&#x3D;"},  # mustache
)


# Texts in a script, by encoders that trust no character but letters and digits: all but the ones named are escaped.
_ALL_BUT = bytes(byte for byte in range(0x20, 0x7F) if byte not in _ALPHANUMERIC)


def _bytewise(written: Mapping[int, bytes]) -> Coding:
    # Most bytes of a secret are letters and digits: an expression that skips them is ten times as fast as a table.
    special = re.compile(b"[" + b"".join(re.escape(bytes([byte])) for byte in written) + b"]")
    table = {bytes([byte]): escape for byte, escape in written.items()}
    return lambda text: special.sub(lambda byte: table[byte[0]], text)


def _percent(left_alone: bytes, plus_for_space: bool, digits: str) -> Coding:
    written = {byte: f"%{byte:02{digits}}".encode() for byte in range(256) if byte not in _ALPHANUMERIC + left_alone}
    if plus_for_space:
        written[ord(" ")] = b"+"
    return _bytewise(written)


def _json(further: bytes, slash: bool, ascii_only: bool, digits: str) -> Coding:
    written = {byte: f"\\u{byte:04{digits}}".encode() for byte in range(0x20)}
    written |= {ord(char): escape for char, escape in _SHORT_IN_JSON.items()}
    written |= {byte: f"\\u{byte:04{digits}}".encode() for byte in further}
    if slash:
        written[ord("/")] = rb"\/"
    coding = _bytewise(written)
    return _one_in_another(coding, _ascii_only(digits)) if ascii_only else coding


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _ascii_only(digits: str) -> Coding:
    def escaped(text: bytes) -> bytes:
        try:
            characters = text.decode()
        except UnicodeDecodeError:
            return text
        return _NOT_ASCII.sub(lambda char: _as_utf16(char[0], digits), characters).encode()

    return escaped


def _as_utf16(char: str, digits: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(
        f"\\u{int.from_bytes(units[start : start + 2], 'big'):04{digits}}" for start in range(0, len(units), 2)
    )


def _script(left_alone: bytes, escape: str) -> Coding:
    return _bytewise({byte: escape.format(byte).encode() for byte in _ALL_BUT if byte not in left_alone})


def _html(entities: Mapping[bytes, bytes]) -> Coding:
    return _bytewise({ord(char): entity for char, entity in entities.items()})


def _one_in_another(inner: Coding, outer: Coding) -> Coding:
    return lambda text: outer(inner(text))


_PERCENT_ONCE = tuple(_percent(*dialect, digits) for dialect in _PERCENT for digits in "Xx")
# A link within a link: what follows a sign-in, say.
PERCENT_DIALECTS = (*_PERCENT_ONCE, *(_one_in_another(coding, coding) for coding in _PERCENT_ONCE[:2]))

_JSON_ONCE = tuple(_json(*dialect) for dialect in _JSON)
# JSON as a string in JSON: services that echo a request's body.
JSON_DIALECTS = (*_JSON_ONCE, *(_one_in_another(coding, coding) for coding in _JSON_ONCE[:2]))

SCRIPT_DIALECTS = (
    _script(b" !#$%()*+,./:?@[]^_{|}~", "\\u{:04X}"),  # Django's escapejs
    _script(b",._", "\\x{:02X}"),  # OWASP ESAPI
)

HTML_DIALECTS = (*map(_html, _HTML), _script(b" ,-._", "&#x{:x};"))  # the last one is OWASP ESAPI's
