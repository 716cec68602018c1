"""
Hostile bytes: only our own errors come out, every split says the same, and other readers agree with us.

Whatever one of h11, llhttp (through httptools) and our parser reads as a request, the others must read as the same, or
`targets/http1_disagreements.py` says why they do not.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets.http1 import check_same
from tests.fuzz.targets.http1_disagreements import check_agreement
from tests.wire.http1_events import requests_in, responses_in
from tests.wire.pieces import cut_at

from iron_proxy.errors import BadRequest, ClientDisconnected, UpstreamDisconnected, UpstreamProtocolError

GET = b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n"

# --- bytes that look enough like HTTP to get somewhere --------------------------------------------------------------

TOKENS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"PUT", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"/", b"/a?b", b"*", b"http://ok.test/",
     b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Expect", b"Trailer", b"X-A",
     b"chunked", b"identity", b"close", b"keep-alive", b"100-continue", b"ok.test", b"0", b"1", b"5", b"a", b"F", b"11",
     b"200", b"204", b"304", b"100", b"101", b"OK", b"hello", b" ", b"  ", b"\t", b":", b": ", b";", b",", b"\r\n",
     b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\x0b", b"\xff", b"\x7f", b"+", b"-", b"_", b"0x"]
)  # fmt: skip
NOISE = st.lists(TOKENS | st.binary(max_size=3), max_size=25).map(b"".join)

METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"M-SEARCH"])
TARGETS = st.sampled_from(
    [b"/", b"/a/b?c=d", b"/%2e%2e", b"http://ok.test/x", b"/a[b]|", b"/caf\xc3\xa9", b"/a#b", b"*"]
)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"])
PADDING = st.sampled_from([b"", b" ", b"\t", b"  "])
NAMES = st.sampled_from([b"X-A", b"x-b", b"Accept", b"X!#$%&'*+.^_`|~", b"Keep-Alive", b"Cookie", b"TE", b"Expect"])
VALUES = st.sampled_from([b"", b"a", b"a b", b"a\tb", b"caf\xe9", b"\xff", b'a,b;c="d"', b"a:b", b"\x80"])
FIELDS = st.lists(
    st.tuples(NAMES, PADDING, VALUES, PADDING).map(lambda parts: parts[0] + b":" + b"".join(parts[1:]) + b"\r\n"),
    max_size=4,
).map(b"".join)
CONNECTION = st.sampled_from([b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: X-A\r\n"])
EXTENSIONS = st.sampled_from([b"", b"", b";a", b";a=b", b';a="b c"', b" ;a", b";\xff", b";(", b"; a = b"])
CONTENT = st.binary(min_size=1, max_size=20)
TRAILERS = st.sampled_from([b"", b"", b"X-T: 1\r\n", b"X-T:\r\nX-U: a b\r\n", b"X-T: \xe9\r\n"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Framing fields, the empty line, and the body they announce."""
    content = draw(st.lists(CONTENT, max_size=3))
    match draw(st.sampled_from(["none", "sized", "chunked", "chunked"])):
        case "none":
            return b"\r\n"
        case "sized":
            whole = b"".join(content)
            return b"Content-Length: %d\r\n\r\n" % len(whole) + whole
        case _:
            size = draw(st.sampled_from([b"%x", b"%X", b"00%x"]))
            chunks = [size % len(each) + draw(EXTENSIONS) + b"\r\n" + each + b"\r\n" for each in content]
            last = b"0" + draw(EXTENSIONS) + b"\r\n" + draw(TRAILERS) + b"\r\n"
            return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + last


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is close to well formed; one byte of it may be off."""
    line = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    wire = line + b"\r\nHost: ok.test\r\n" + draw(FIELDS) + draw(CONNECTION) + draw(bodies())
    if draw(st.booleans()):
        position = draw(st.integers(0, len(wire) - 1))
        wire = wire[:position] + draw(TOKENS | st.just(b"")) + wire[position + draw(st.integers(0, 1)) :]
    return wire


responses = st.builds(
    lambda line, fields, body: line + b"\r\n" + fields + body,
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 ", b"HTTP/1.1 304", b"HTTP/1.1 100 C"]),
    FIELDS,
    bodies(),
)

CUTS = st.lists(st.integers(0, 200), max_size=6)


# --- our own promises -----------------------------------------------------------------------------------------------


@given(wire=NOISE | requests() | st.binary(max_size=60), cuts=CUTS, then_end=st.booleans())
@example(wire=b"\r\n\r\n" + GET, cuts=[2], then_end=False)
@example(wire=b"\r\n" + GET + b"\r\n", cuts=[1, 2, 40], then_end=True)
def test_a_client_gets_nothing_out_of_the_parser_but_our_errors_however_it_cuts(
    wire: bytes, cuts: list[int], then_end: bool
) -> None:
    whole = requests_in([wire], then_end=then_end)
    cut = requests_in(cut_at(wire, cuts), then_end=then_end)

    check_same(whole.comparable, cut.comparable)
    assert whole.error is None or isinstance(whole.error, BadRequest | ClientDisconnected)


@given(wire=NOISE | responses | st.binary(max_size=60), cuts=CUTS, method=st.sampled_from(["GET", "HEAD"]))
def test_an_upstream_gets_nothing_out_of_the_parser_but_our_errors_however_it_cuts(
    wire: bytes, cuts: list[int], method: str
) -> None:
    whole = responses_in([wire], method, then_end=True)
    cut = responses_in(cut_at(wire, cuts), method, then_end=True)

    check_same(whole.comparable, cut.comparable)
    assert whole.error is None or isinstance(whole.error, UpstreamProtocolError | UpstreamDisconnected)


# --- other readers --------------------------------------------------------------------------------------------------


# The same examples each time: looking for disagreements that nobody has judged yet is what `make fuzz` is for.
@settings(max_examples=300, derandomize=True)
@given(requests())
@example(GET)
@example(b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n0\r\n\r\n")
def test_where_other_readers_see_another_request_the_reason_is_known(wire: bytes) -> None:
    check_agreement(wire)
