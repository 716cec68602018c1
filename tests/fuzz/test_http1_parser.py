"""
Hostile bytes: only our own errors come out, every split says the same, and other readers agree with us.

The differential is one-sided: whatever we accept, h11 and llhttp (through httptools) must read as the same message.
That we refuse more than they do is the point. Where we accept more, the case is listed in `explained_by`.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import h11
import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.wire.http1_events import requests_in, responses_in
from tests.wire.pieces import cut_at

from iron_proxy.errors import BadRequest, ClientDisconnected, UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.headers import Pair

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


def check_same(whole: list[object], cut: list[object]) -> None:
    """
    The same, but for two things: body bytes right before an error may or may not have been told already, and a line
    that can never become a request is refused as such a little earlier than it could be refused for its version.
    """
    if whole and isinstance(whole[-1], tuple):
        whole, cut = without_last_piece(whole), without_last_piece(cut)
        assert isinstance(cut[-1], tuple)
        whole, cut = whole[:-1], cut[:-1]
    assert whole == cut


def without_last_piece(said: list[object]) -> list[object]:
    return [*said[:-2], said[-1]] if len(said) > 1 and isinstance(said[-2], bytes) else said


# --- other readers --------------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """One request as any reader can put it."""

    method: bytes
    target: bytes
    fields: list[Pair]
    body: bytes


def explained_by(wire: bytes) -> set[str]:
    """Which readers may differ on this request although we accept it, and why that is no danger."""
    head, _, rest = wire.partition(b"\r\n\r\n")
    line = head.lstrip(b"\r\n").partition(b"\r\n")[0]
    differing = set()
    # We tolerate one empty line before a request (RFC 9112 section 2.2 says servers should); h11 does not.
    if wire[:2] == b"\r\n":
        differing.add("h11")
    # We pass on bytes above 0x7f in a target, which honest clients send; they take visible ASCII only.
    if any(byte > 0x7F for byte in line):
        differing |= {"h11", "llhttp"}
    # Whether there must be a Host, and one only, is judged by proxy/request_checks.py; h11 asks in the parser.
    if sum(name.strip().lower() == b"host" for name in map(field_name, head.split(b"\r\n")[1:])) != 1:
        differing.add("h11")
    # An extension is ignored by all; we do not look inside it, nor at space before it. They do.
    if b"chunked" in head.lower() and b";" in rest:
        differing |= {"h11", "llhttp"}
    # llhttp knows the methods of its own list, and looks into the target; we do that in proxy/request_checks.py.
    method, target = line.split(b" ")[:2]
    if method not in LLHTTP_METHODS or not LLHTTP_TARGET.fullmatch(target):
        differing.add("llhttp")
    # llhttp tolerates no field that asks to switch protocols without leaving HTTP: it stops there by design.
    if b"upgrade" in head.lower():
        differing.add("llhttp")
    return differing


LLHTTP_METHODS = {b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"M-SEARCH"}
LLHTTP_TARGET = re.compile(rb"/[!-~]*|\*|http://[a-z.]+(?:/[!-~]*)?")


def field_name(line: bytes) -> bytes:
    return line.partition(b":")[0]


def ours(wire: bytes) -> Message | None:
    """Our reading; None if we refuse the request, wait for more of it, or something else follows it."""
    told = requests_in([wire])
    if len(told.ends) != 1 or told.error is not None or told.unread:
        return None
    head = told.head
    return Message(head["method"].encode(), head["target"], head["pairs"], told.body)


def by_h11(wire: bytes) -> Message:
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    reader.receive_data(wire)
    head = reader.next_event()
    assert isinstance(head, h11.Request), head
    body = b""
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        body += event.data
    fields = [(bytes(name), bytes(value)) for name, value in head.headers.raw_items()]
    return Message(head.method, head.target, fields, body)


class LlhttpReader:
    def __init__(self) -> None:
        self.target = self.body = b""
        self.fields: list[Pair] = []
        self.in_body = self.is_complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:  # llhttp reports trailers by the same call
            self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_body = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


def by_llhttp(wire: bytes) -> Message:
    reader = LlhttpReader()
    parser = httptools.HttpRequestParser(reader)
    parser.feed_data(wire)
    assert reader.is_complete
    return Message(parser.get_method(), reader.target, reader.fields, reader.body)


READERS: dict[str, Callable[[bytes], Message]] = {"h11": by_h11, "llhttp": by_llhttp}

# Set apart by us as facts of the head, or named by Connection: not among the fields that are compared.
APART = {b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te", b"expect", b"x-a",
         b"trailer", b"upgrade"}  # fmt: skip


def comparable(message: Message) -> Message:
    fields = [(name.lower(), value) for name, value in message.fields if name.lower() not in APART]
    return message._replace(fields=fields)


@settings(max_examples=300)
@given(requests())
@example(GET)
@example(b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n0\r\n\r\n")
def test_what_we_accept_other_readers_read_as_the_same_message(wire: bytes) -> None:
    message = ours(wire)
    if message is None:
        return

    for name in READERS.keys() - explained_by(wire):
        assert comparable(READERS[name](wire)) == comparable(message), name
