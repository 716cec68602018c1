"""RFC 9113 section 8: what makes a message malformed, and what a well formed one becomes."""

import pytest

from iron_proxy.errors import BadRequest, UpstreamProtocolError
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Length
from iron_proxy.protocols.http2.header_rules import (
    RequestReader,
    describe_request,
    never_indexed,
    read_response,
)

Pairs = list[tuple[bytes, bytes]]

METHOD, SCHEME, AUTHORITY, PATH = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"ok.test"),
    (b":path", b"/a?b"),
)
GET: Pairs = [METHOD, SCHEME, AUTHORITY, PATH]


def request(pairs: Pairs, *, ends: bool = True) -> RequestHead:
    return RequestReader(b"https").read([(name, value, False) for name, value in pairs], ends=ends)


def response(pairs: Pairs, method: str = "GET", *, ends: bool = True) -> ResponseHead:
    return read_response([(name, value, False) for name, value in pairs], method, ends=ends)


# --- requests that are refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [SCHEME, AUTHORITY, PATH],
        [METHOD, AUTHORITY, PATH],
        [METHOD, SCHEME, AUTHORITY],
        [*GET, METHOD],
        [*GET, SCHEME],
        [*GET, AUTHORITY],
        [*GET, PATH],
        [*GET, (b":status", b"200")],
        [*GET, (b":protocol", b"websocket")],
        [(b":method", b"CONNECT"), SCHEME, AUTHORITY, PATH, (b":protocol", b"websocket")],
        [METHOD, SCHEME, AUTHORITY, (b"x-a", b"b"), PATH],
        [(b"x-a", b"b"), *GET],
        [(b":", b""), *GET],
    ],
    ids=[
        "no field at all", "no method", "no scheme", "no path", "method twice", "scheme twice", "authority twice",
        "path twice",
        "a response's", "extended CONNECT's", "extended CONNECT", "one behind a field", "all behind a field",
        "one without a name",
    ],
)  # fmt: skip
def test_pseudo_headers_are_those_of_a_request_once_and_first(pairs: Pairs) -> None:
    with pytest.raises(BadRequest):
        request(pairs)


@pytest.mark.parametrize("method", [b"", b"G T", b"GET ", b"G\xc3\x89T", b"GET\r\n", b"GET\0", b"G:T", b"GET/"])
def test_a_method_is_a_token(method: bytes) -> None:
    with pytest.raises(BadRequest):
        request([(b":method", method), SCHEME, AUTHORITY, PATH])


@pytest.mark.parametrize("scheme", [b"http", b"HTTPS", b"", b"ftp", b"https "])
def test_the_scheme_is_what_the_connection_speaks(scheme: bytes) -> None:
    with pytest.raises(BadRequest):
        request([METHOD, (b":scheme", scheme), AUTHORITY, PATH])


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"a",
        b"*",
        b"?a",
        b"/a b",
        b"/\t",
        b"/a\r\nHost: x",
        b"/\0",
        b"/\x7f",
        b" /",
        b"https://ok.test/",
        b"//"[:0],
    ],
)
def test_a_path_is_in_origin_form_with_the_bytes_of_http_1(path: bytes) -> None:
    with pytest.raises(BadRequest):
        request([METHOD, SCHEME, AUTHORITY, (b":path", path)])


@pytest.mark.parametrize("authority", [b"", b"user@ok.test", b"user:pass@ok.test", b"@"])
def test_an_authority_is_not_empty_and_names_no_user(authority: bytes) -> None:
    with pytest.raises(BadRequest):
        request([METHOD, SCHEME, (b":authority", authority), PATH])


@pytest.mark.parametrize(
    "hosts", [[b"other.test"], [b"ok.test", b"ok.test"], [b"ok.test:8443"], [b""], [b"ok.test, other.test"]]
)
def test_host_and_authority_that_differ_are_refused(hosts: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        request([*GET, *((b"host", host) for host in hosts)])


@pytest.mark.parametrize(
    "field",
    [
        (b"connection", b"close"), (b"connection", b""), (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"), (b"te", b"gzip"), (b"te", b"trailers, gzip"),
        (b"te", b""),
    ],
)  # fmt: skip
def test_fields_of_a_connection_are_malformed(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        request([*GET, field])


@pytest.mark.parametrize(
    "name", [b"X-A", b"x-A", b"", b"x a", b"x\0", b"x\r\n", b"x\n", b"x:", b"x\xc3\xa9", b"x(", b"\x7f"]
)
def test_a_name_is_a_token_in_lower_case(name: bytes) -> None:
    with pytest.raises(BadRequest):
        request([*GET, (name, b"v")])
    with pytest.raises(UpstreamProtocolError):
        response([(b":status", b"200"), (name, b"v")])


@pytest.mark.parametrize(
    "value",
    [
        b"a\r\nHost: x",
        b"a\nb",
        b"a\rb",
        b"a\0b",
        b"a\x01",
        b"a\x7f",
        b"\x0b",
        b" a",
        b"a ",
        b"\ta",
        b"a\t",
        b" ",
        b"\n",
    ],
)
def test_a_value_has_no_control_characters_and_no_white_space_around_it(value: bytes) -> None:
    with pytest.raises(BadRequest):
        request([*GET, (b"x-a", value), (b"x-b", b"c")])
    with pytest.raises(UpstreamProtocolError):
        response([(b":status", b"200"), (b"x-a", value)])


@pytest.mark.parametrize(
    "values",
    [[b"4", b"5"], [b"4", b"4"], [b"4, 4"], [b"+4"], [b"-1"], [b"0x4"], [b"4_0"], [b""], [b"9" * 20], [b"\xd9\xa4"]],
)
def test_a_length_is_one_and_plain_digits(values: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        request([*GET, *((b"content-length", value) for value in values)], ends=False)


def test_a_length_without_a_body_is_refused() -> None:
    with pytest.raises(BadRequest, match="shorter"):
        request([*GET, (b"content-length", b"4")], ends=True)


@pytest.mark.parametrize(
    "pairs",
    [[(b"x-%d" % number, b"v") for number in range(1001)], [(b"x-a", b"v" * 70_000)], [(b"c", b"")] * 999 + [(b"d",
     b"e" * 40_000)]],
    ids=["too many fields", "too many bytes", "many small and one large"],
)  # fmt: skip
def test_a_head_beyond_the_limits_is_431(pairs: Pairs) -> None:
    with pytest.raises(BadRequest) as caught:
        request([*GET, *pairs])

    assert caught.value.status == 431


def test_pseudo_headers_count_for_the_size_of_a_head() -> None:
    with pytest.raises(BadRequest) as caught:
        request([METHOD, SCHEME, AUTHORITY, (b":path", b"/" * 66_000)])

    assert caught.value.status == 431


def test_the_smallest_connect_is_delivered_so_that_it_is_audited() -> None:
    head = request([(b":method", b"CONNECT"), (b":authority", b"ok.test:443")], ends=False)

    assert (head.method, head.target, head.host_fields) == ("CONNECT", b"ok.test:443", [b"ok.test:443"])
    assert head.framing is CHUNKED


@pytest.mark.parametrize("extra", [[SCHEME], [PATH], [SCHEME, PATH]])
def test_a_connect_with_scheme_or_path_is_malformed(extra: Pairs) -> None:
    with pytest.raises(BadRequest):
        request([(b":method", b"CONNECT"), AUTHORITY, *extra])


def test_a_connect_without_authority_is_malformed() -> None:
    with pytest.raises(BadRequest):
        request([(b":method", b"CONNECT"), (b":scheme", b"https")])


# --- requests that are taken ----------------------------------------------------------------------------------------


def test_a_request_becomes_the_same_head_as_in_http_1() -> None:
    head = request([
        *GET, (b"user-agent", b"curl"), (b"te", b"trailers"), (b"x-a", b""), (b"proxy-authorization", b"Basic x"),
        (b"expect", b"100-Continue"), (b"trailer", b"x-t"), (b"x-b", b"caf\xc3\xa9"),
    ])  # fmt: skip

    assert (head.method, head.target, head.host_fields) == ("GET", b"/a?b", [b"ok.test"])
    assert list(head.pairs) == [(b"user-agent", b"curl"), (b"x-a", b""), (b"x-b", b"caf\xc3\xa9")]
    assert (head.minor_version, head.keep_alive, head.connection, head.upgrade) == (1, True, frozenset(), [])
    assert (head.te_trailers, head.expect, head.proxy_authorization) == (True, b"100-continue", b"Basic x")
    assert head.framing is NO_BODY
    assert head.checked is None


@pytest.mark.parametrize(
    ("lengths", "ends", "framing"),
    [([], True, NO_BODY), ([], False, CHUNKED), ([b"5"], False, Length(5)), ([b"0"], True, NO_BODY),
     ([b"0"], False, NO_BODY)],
    ids=["ends with its head", "of unknown length", "sized", "empty", "empty, and its end comes later"],
)  # fmt: skip
def test_a_body_is_framed_by_length_and_end(lengths: list[bytes], ends: bool, framing: object) -> None:
    head = request([*GET, *((b"content-length", length) for length in lengths)], ends=ends)

    assert head.framing == framing


def test_cookies_that_came_apart_are_one_again_in_the_place_of_the_first() -> None:
    head = request([*GET, (b"cookie", b"a=1"), (b"x-a", b"b"), (b"cookie", b"c=2"), (b"cookie", b"d=3")])

    assert list(head.pairs) == [(b"cookie", b"a=1; c=2; d=3"), (b"x-a", b"b")]


def test_a_host_field_stands_for_a_missing_authority() -> None:
    assert request([METHOD, SCHEME, PATH, (b"host", b"ok.test")]).host_fields == [b"ok.test"]


def test_a_request_without_host_and_authority_is_for_the_checks_to_refuse() -> None:
    assert request([METHOD, SCHEME, PATH]).host_fields == []


def test_a_host_field_may_say_the_same_as_the_authority() -> None:
    assert request([*GET, (b"host", b"OK.test:443")]).host_fields == [b"ok.test"]


def test_requests_that_differ_in_their_paths_alone_share_their_fields() -> None:
    reader, more = RequestReader(b"https"), [(b"x-a", b"b", False)]
    named, other = ([(name, value, False) for name, value in [*GET[:3], (b":path", path)]] for path in (b"/1", b"/2"))

    first, second, third = (reader.read([*pseudo, *more], ends=True) for pseudo in (named, other, other))

    assert (first.target, second.target) == (b"/1", b"/2")
    assert first.pairs is second.pairs
    assert second is third


def test_nothing_of_a_request_that_was_refused_is_kept() -> None:
    reader, get = RequestReader(b"https"), [(name, value, False) for name, value in GET]
    bad = [*get, (b"x-a", b"b", False), (b"upgrade", b"h2c", False)]

    assert list(reader.read([*get, (b"x-a", b"c", False)], ends=True).pairs) == [(b"x-a", b"c")]
    for _ in range(2):
        with pytest.raises(BadRequest):
            reader.read(bad, ends=True)
    assert list(reader.read(get, ends=True).pairs) == []


def test_options_may_ask_for_the_server_as_a_whole() -> None:
    assert request([(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")]).target == b"*"


@pytest.mark.parametrize("path", [b"/caf\xc3\xa9", b"/%2e%2e", b"/a#b", b"//x", b"/a[b]|"])
def test_what_is_odd_in_a_path_is_left_to_the_checks(path: bytes) -> None:
    assert request([METHOD, SCHEME, AUTHORITY, (b":path", path)]).target == path


def test_a_refused_request_is_described_as_far_as_it_can_be_read() -> None:
    head = describe_request([(b":path", b"/x", False), (b":method", b"G T", False), (b"host", b"h", False)])

    assert (head.method, head.target, head.host_fields, list(head.pairs)) == ("G T", b"/x", [b"h"], [])


def test_a_request_that_says_nothing_is_described_as_empty() -> None:
    head = describe_request([])

    assert (head.method, head.target, head.host_fields) == ("", b"", [])


def test_fields_that_no_hop_may_keep_are_named() -> None:
    assert never_indexed([(b"a", b"b", True), (b"c", b"d", False)]) == {b"a"}
    assert never_indexed([(b"c", b"d", False)]) == frozenset()
