"""
Cases that send an allowed canary a request which two parsers read differently, the root of request smuggling.

It is bad when the doubtful part arrives as it was sent: then whatever stands behind the proxy is the second parser. The
proxy may refuse such a request, or write it anew in one form.
"""

import re
from collections.abc import Callable
from typing import Final

from iron_proxy.selftest.case import Case, Group, Need, Severity
from iron_proxy.selftest.place import Place
from iron_proxy.selftest.routes import ask_raw
from iron_proxy.selftest.trial import Trial

_SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: denied.invalid\r\n\r\n"


def framing_case(
    name: str, severity: Severity, tried: str, fields: bytes, body: bytes, arrived: str, *, path: bytes = b"/",
    method: bytes = b"POST",
) -> Case:  # fmt: skip
    """
    A case of this kind. `fields` are whole lines behind Host, `arrived` is what a canary sees when they are passed on.

    `arrived` is a regular expression on the request as it arrived, case-insensitive.
    """
    pattern = re.compile(arrived, re.IGNORECASE | re.DOTALL)
    return Case(
        name, Group.FRAMING, severity, tried, "it arrived as it was sent",
        "parse strictly, refuse what is ambiguous, and write every request anew",
        _sender(method, path, fields, body), frozenset({Need.ALLOWED}),
        lambda arrival, place: pattern.search(arrival.raw) is not None,
    )  # fmt: skip


def _sender(method: bytes, path: bytes, fields: bytes, body: bytes) -> Callable[[Place, Trial], None]:
    def attempt(place: Place, trial: Trial) -> None:
        allowed = place.allowed
        if allowed is None:
            raise ValueError("the case needs an allowed endpoint")
        if allowed.scheme == "https" and place.passes_tls:
            trial.cannot("TLS is passed through unread here: give -allowed an http:// URL to test the proxy's parser")
            return
        host = allowed.authority.encode()

        def send(token: bytes) -> bytes:
            def make(prefix: bytes, login: bytes) -> bytes:
                line = method + b" " + prefix + path + b"?" + token + b" HTTP/1.1\r\n"
                return line + b"Host: " + host + b"\r\n" + login + fields + b"\r\n" + body

            return ask_raw(place, allowed, make)

        trial.attempt(str(allowed), send)

    return attempt


_CHUNKED: Final = b"0\r\n\r\n"

CASES: Final = (
    framing_case(
        "smuggle-cl-te", Severity.CRITICAL, "Content-Length and Transfer-Encoding in one request (CL.TE, TE.CL)",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (len(_CHUNKED) + len(_SMUGGLED)),
        _CHUNKED + _SMUGGLED, r"content-length:.*transfer-encoding:|transfer-encoding:.*content-length:",
    ),
    framing_case(
        "smuggle-two-lengths", Severity.CRITICAL, "two Content-Length fields that differ",
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(_SMUGGLED), _SMUGGLED,
        r"content-length: *\d+\r?\n.*content-length:",
    ),
    framing_case(
        "smuggle-odd-length", Severity.HIGH, "a Content-Length with a sign",
        b"Content-Length: +5\r\n", b"hello", r"content-length: *\+",
    ),
    framing_case(
        "smuggle-hidden-te", Severity.CRITICAL, "Transfer-Encoding with a blank before its colon, and Content-Length",
        b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n" % (len(_CHUNKED) + len(_SMUGGLED)),
        _CHUNKED + _SMUGGLED, r"transfer-encoding +:",
    ),
    framing_case(
        "smuggle-unknown-te", Severity.HIGH, "a transfer coding that does not exist",
        b"Transfer-Encoding: xchunked\r\n", _CHUNKED, r"transfer-encoding: *xchunked",
    ),
    framing_case(
        "smuggle-bare-lf", Severity.HIGH, "a field that ends in LF without CR",
        b"X-First: 1\nX-Second: 2\r\n", b"", r"x-first: 1\n", method=b"GET",
    ),
    framing_case(
        "smuggle-bare-cr", Severity.HIGH, "a field with a CR in its value",
        b"X-First: 1\rX-Second: 2\r\n", b"", r"x-first: 1\r(?!\n)", method=b"GET",
    ),
    framing_case(
        "smuggle-nul", Severity.MEDIUM, "a field with a NUL in its value",
        b"X-First: 1\0 2\r\n", b"", r"x-first: 1\x00", method=b"GET",
    ),
    framing_case(
        "smuggle-folded", Severity.MEDIUM, "a field that goes on in a second line (obs-fold)",
        b"X-First: 1\r\n X-Second: 2\r\n", b"", r"x-first: 1\r?\n[ \t]", method=b"GET",
    ),
    framing_case(
        "smuggle-chunk-extension", Severity.MEDIUM, "a chunk whose extension holds a bare LF",
        b"Transfer-Encoding: chunked\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n", r"5;a\n",
    ),
    framing_case(
        "smuggle-chunk-size", Severity.HIGH, "a chunk size in a form of its own (0x5)",
        b"Transfer-Encoding: chunked\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", r"\n0x5\r?\n",
    ),
    framing_case(
        "inject-path", Severity.HIGH, "CR and LF, percent-encoded, in the path",
        b"", b"", r"\nX-Injected:", path=b"/a%0d%0aX-Injected:%20yes", method=b"GET",
    ),
)  # fmt: skip
