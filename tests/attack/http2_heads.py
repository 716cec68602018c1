"""Heads of requests that HTTP/2 can carry and that no origin may hear of. `test_http2_translation.py` sends them."""

Pairs = list[tuple[bytes, bytes]]

METHOD, SCHEME, PATH = (b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/")
AUTHORITY = (b":authority", b"ok.test")  # its port is filled in
SMUGGLED = b" HTTP/1.1\r\nHost: ok.test\r\n\r\nGET /smug"


def get(*more: tuple[bytes, bytes], **changed: bytes) -> Pairs:
    """A GET with more fields, or with other pseudo-fields."""
    pseudo = {"method": b"GET", "scheme": b"https", "authority": b"ok.test", "path": b"/", **changed}
    return [(b":" + name.encode(), value) for name, value in pseudo.items()] + [*more]


REFUSED: dict[str, Pairs] = {
    **{
        f"value {value!r}": get((b"x-value", value))
        for value in (
            b"a\r\nHost: other.test",
            b"a\rb",
            b"a\nb",
            b"a\0b",
            b"\r\n",
            b"a\r\n\r\nGET /smug HTTP/1.1",
            b" a",
            b"a ",
            b"\ta",
            b"a\x7f",
            b"a\x01",
        )
    },
    **{
        f"name {name!r}": get((name, b"1"))
        for name in (
            b"",
            b"X-Upper",
            b"x upper",
            b"x\r\nhost",
            b"x\0",
            b"x:y",
            b"x(",
            b"x\xc3\xa9",
            b"x\t",
            b"x: a\r\nhost: other.test\r\ny",
            b":unknown",
            b":status",
            b":protocol",
            b" x",
            b"\x7f",
        )
    },
    **{
        f"hop by hop {name.decode()}: {value.decode()}": get((name, value))
        for name, value in (
            (b"transfer-encoding", b"chunked"),
            (b"transfer-encoding", b"identity"),
            (b"connection", b"close"),
            (b"connection", b"x-api-key"),
            (b"keep-alive", b"timeout=5"),
            (b"proxy-connection", b"keep-alive"),
            (b"upgrade", b"websocket"),
            (b"upgrade", b"h2c"),
            (b"te", b"gzip"),
            (b"te", b"trailers, deflate"),
        )
    },
    "transfer-encoding beside a length": get((b"content-length", b"3"), (b"transfer-encoding", b"chunked")),
    **{
        f"path {path!r}": get(path=path)
        for path in (
            b"",
            b"page",
            b"/a b",
            b"/a" + SMUGGLED,
            b"/\r\n",
            b"/\0",
            b"/\x01",
            b"/\x7f",
            b"/\t",
            b"/a#b",
            b"*",
            b"http://other.test/",
            b"https://ok.test/",
            b" /",
            b"/ ",
            b"?q",
        )
    },
    **{
        f"method {method!r}": get(method=method)
        for method in (
            b"",
            b"G ET",
            b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\nGET",
            b"GET\r\n",
            b"G\0T",
            b"G\xc3\x89T",
            b"GET,",
        )
    },
    **{
        f"scheme {scheme!r}": get(scheme=scheme)
        for scheme in (b"", b"http", b"ftp", b"https://x", b"https\r\n", b"x y")
    },
    **{
        f"authority {authority!r}": get(authority=authority)
        for authority in (
            b"",
            b"other.test",
            b"ok.test:99999",
            b"ok.test:x",
            b"ok.test, other.test",
            b"user@ok.test",
            b"ok.test/x",
            b"ok.test\r\nx: y",
            b"ok.test ",
            b"ok.test\0",
            b"other.test@ok.test",
            b"[ok.test",
            b"ok.test#",
            b"ok.test?",
        )
    },
    "no method": [SCHEME, AUTHORITY, PATH],
    "no scheme": [METHOD, AUTHORITY, PATH],
    "no path": [METHOD, SCHEME, AUTHORITY],
    "no authority and no host": [METHOD, SCHEME, PATH],
    "nothing at all": [],
    "two methods": get((b":method", b"POST")),
    "two paths": [METHOD, SCHEME, AUTHORITY, PATH, (b":path", b"/smug")],
    "two authorities": [METHOD, SCHEME, AUTHORITY, (b":authority", b"other.test"), PATH],
    "the same authority twice": [METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH],
    "two schemes": [METHOD, SCHEME, SCHEME, AUTHORITY, PATH],
    "a pseudo-field behind a field": [METHOD, SCHEME, AUTHORITY, (b"x-a", b"1"), PATH],
    "another host": get((b"host", b"other.test")),
    "two hosts": get((b"host", b"ok.test"), (b"host", b"other.test")),
    "hosts without authority": [METHOD, SCHEME, PATH, (b"host", b"ok.test"), (b"host", b"other.test")],
    "another host without authority": [METHOD, SCHEME, PATH, (b"host", b"other.test")],
    **{
        f"length {value!r}": get((b"content-length", value), method=b"POST")
        for value in (
            b"+4",
            b"-1",
            b"0x4",
            b"4_0",
            b"4 4",
            b"1e1",
            b"",
            b"4;",
            b"99999999999999999999",
            b"4, 4",
            b"4, 5",
            "٤".encode(),
        )
    },
    "two lengths": get((b"content-length", b"0"), (b"content-length", b"4"), method=b"POST"),
    "a length and no body": get((b"content-length", b"4"), method=b"POST"),
    "extended CONNECT": [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        SCHEME,
        AUTHORITY,
        PATH,
        (b"sec-websocket-version", b"13"),
    ],
    "CONNECT with a path": get(method=b"CONNECT"),
}


def with_port(pairs: Pairs, port: int) -> Pairs:
    """What names ok.test names the origin's port too, unless a port is what the case is about."""
    full = b"ok.test:%d" % port
    return [(name, full if value == b"ok.test" else value) for name, value in pairs]
