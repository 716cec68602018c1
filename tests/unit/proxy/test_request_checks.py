"""A head becomes a request for exactly one destination and path, or is refused; no policy yet."""

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.wire.pieces import in_pieces

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.proxy.request_checks import check_path, check_request, described, has_dot_segments


def head_of(wire: bytes) -> RequestHead:
    parser = RequestParser()
    for piece in in_pieces(wire, 4096):
        parser.receive(piece)
    event = parser.next_event()
    assert isinstance(event, RequestHead)
    return event


def head(
    target: bytes = b"/", host: bytes | None = b"ok.test", fields: bytes = b"", method: bytes = b"GET", minor: int = 1
) -> RequestHead:
    line = b"%b %b HTTP/1.%d\r\n" % (method, target, minor)
    return head_of(line + (b"" if host is None else b"Host: " + host + b"\r\n") + fields + b"\r\n")


def checked(head: RequestHead, scheme: str = "http", server_name: str = "", tunnel: Target | None = None) -> Request:
    return check_request(
        head,
        FakeBodySource([b"hello"]),
        scheme=scheme,
        server_name=server_name,
        tunnel=None if tunnel is None else Tunnel(tunnel),
    )


# --- where it goes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "scheme", "target"),
    [
        (b"ok.test", "http", Target("ok.test", 80)),
        (b"ok.test", "https", Target("ok.test", 443)),
        (b"OK.test.:8080", "http", Target("ok.test", 8080)),
        (b"127.0.1.9", "http", Target("127.0.1.9", 80, True)),
        (b"[::1]:81", "http", Target("::1", 81, True)),
    ],
)
def test_the_destination_is_the_host_header_in_canonical_form(host: bytes, scheme: str, target: Target) -> None:
    assert checked(head(host=host), scheme).target == target


@pytest.mark.parametrize(
    "host",
    [b"ok.test@other.test", b"ok.test, other.test", b"ok.test/other.test", b"%61pi.wild.test", b"2130706697",
     b"ok.test:", b"ok.test:99999", b"ok.test\\other.test", b"ok test", b"*"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(host: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(head(host=host))

    assert caught.value.status == 400
    assert host.decode() not in str(caught.value)


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("host", [None, b""], ids=["none", "an empty one"])
def test_a_request_without_a_host_is_refused(minor: int, host: bytes | None) -> None:  # H1-19
    with pytest.raises(BadRequest, match="missing Host header"):
        checked(head(host=host, minor=minor))


@pytest.mark.parametrize("second", [b"other.test", b"ok.test"])
@pytest.mark.parametrize("target", [b"/", b"http://ok.test/"])
def test_two_hosts_are_refused_even_equal_ones(second: bytes, target: bytes) -> None:  # H1-19
    with pytest.raises(BadRequest, match="more than one Host header"):
        checked(head(target, fields=b"Host: " + second + b"\r\n"))


# --- absolute form (H1-20) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "host", "path", "query"),
    [
        (b"http://ok.test/a?b", b"ok.test", b"/a", b"b"),
        (b"http://ok.test", b"ok.test", b"/", None),
        (b"http://ok.test?b", b"ok.test", b"/", b"b"),
        (b"HTTP://OK.TEST./", b"ok.test", b"/", None),
        (b"http://ok.test:80/", b"ok.test", b"/", None),
        (b"http://ok.test/", b"ok.test:80", b"/", None),
        (b"http://ok.test//x", b"ok.test", b"//x", None),
    ],
)
def test_an_absolute_target_that_agrees_with_the_host_is_put_in_origin_form(
    target: bytes, host: bytes, path: bytes, query: bytes | None
) -> None:
    request = checked(head(target, host))

    assert (request.target, request.raw_path, request.raw_query) == (Target("ok.test", 80), path, query)


def test_an_http_1_0_request_may_name_its_host_in_the_target_only() -> None:
    assert checked(head(b"http://ok.test/", None, minor=0)).target == Target("ok.test", 80)


@pytest.mark.parametrize(
    ("target", "host", "reason"),
    [
        (b"http://other.test/", b"ok.test", "mismatch"),
        (b"http://ok.test/", b"other.test", "mismatch"),
        (b"http://ok.test:8080/", b"ok.test", "mismatch"),
        (b"http://ok.test/", b"ok.test:8080", "mismatch"),
        (b"http://ok.test/", None, "missing Host"),
        (b"https://ok.test/", b"ok.test", "scheme"),
        (b"ftp://ok.test/", b"ok.test", "scheme"),
        (b"http:///x", b"ok.test", "malformed"),
        (b"http://", b"ok.test", "malformed"),
        (b"http:/ok.test/", b"ok.test", "malformed"),
        (b"http:ok.test", b"ok.test", "malformed"),
        (b"ok.test:80", b"ok.test", "malformed"),
        (b"ok.test/", b"ok.test", "malformed"),
        (b"*", b"ok.test", "malformed"),
        (b"?a", b"ok.test", "malformed"),
        (b"http://ok.test@other.test/", b"ok.test", "malformed"),
        (b"http://ok.test\\@other.test/", b"ok.test", "malformed"),
        (b"/a#b", b"ok.test", "fragment"),
        (b"http://ok.test/#b", b"ok.test", "fragment"),
    ],
)
def test_any_other_target_is_refused(target: bytes, host: bytes | None, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        checked(head(target, host))


def test_over_tls_the_scheme_of_the_target_must_be_https() -> None:
    assert checked(head(b"https://ok.test/"), "https").target == Target("ok.test", 443)
    with pytest.raises(BadRequest, match="scheme"):
        checked(head(b"http://ok.test/"), "https")


def test_two_slashes_do_not_begin_an_authority() -> None:
    request = checked(head(b"//other.test/"))

    assert request.target == Target("ok.test", 80)
    assert request.raw_target == b"//other.test/"


def test_options_may_ask_about_the_whole_server() -> None:
    assert checked(head(b"*", method=b"OPTIONS")).raw_target == b"*"


# --- all names agree ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [b"sni.test", b"SNI.Test", b"sni.test.", b"sni.test:8443"])
def test_a_host_that_agrees_with_the_server_name_passes(host: bytes) -> None:
    assert checked(head(host=host), "https", "sni.test").target.host == "sni.test"


def test_a_host_that_differs_from_the_server_name_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        checked(head(host=b"other.test"), "https", "sni.test")

    assert (caught.value.status, str(caught.value)) == (400, "SNI and Host header mismatch")


@pytest.mark.parametrize(
    ("host", "scheme"),
    [(b"ok.test:8443", "https"), (b"ok.test", "https"), (b"ok.test", "http"), (b"OK.test:8443", "http")],
)
def test_inside_a_tunnel_a_host_without_a_port_means_the_tunnels(host: bytes, scheme: str) -> None:
    tunnel = Target("ok.test", 8443)

    assert checked(head(host=host), scheme, tunnel=tunnel).target == tunnel


@pytest.mark.parametrize("host", [b"other.test", b"ok.test:443", b"ok.test:22"])
def test_a_host_that_differs_from_the_tunnels_target_is_misdirected(host: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(head(host=host), "https", tunnel=Target("ok.test", 8443))

    assert (caught.value.status, str(caught.value)) == (421, "tunnel target and Host header mismatch")


# --- paths (POL-20) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../admin", b"/v1/./x", b"/..", b"/.", b"/v1/%2e%2e/admin", b"/v1/%2E./admin", b"/v1/.%2e/admin",
        b"/v1/a%2f..%2f..%2fadmin", b"/public/../admin", b"/./admin", b"/admin/..", b"/admin/.", b"..", b".",
        b"/a/%252e%252e/b", b"/a%252f..%252fb", b"/a/..;/b", b"/a/..;x=y/b", b"/a/%2e%2e;/b", b"/a/.;/b",
        b"/a\\..\\b", b"/a\\..", b"\\..", b"/a%5c..%5cb", b"/a/..%2fb", b"/a/..%5cb", b"/a//../b",
    ],
)  # fmt: skip
def test_a_path_with_dot_segments_is_refused_in_every_spelling(path: bytes) -> None:
    assert has_dot_segments(path)
    with pytest.raises(BadRequest, match=r"^path contains dot segments$"):
        check_path(path)


@pytest.mark.parametrize(
    "path",
    [b"/admin/secret", b"/admin/.secret", b"/admin/..secret", b"/admin/secret..", b"/admin/...", b"/", b"", b"*",
     b"/a.b/c.d", b"/o/dir%2Fsub%2Ffile.gz", b"/a%20b", b"/%", b"/%zz/%2", b"/;..", b"/a;b=../c", b"/a\\b", b"//",
     b"/.well-known/x", b"/%2esecret", b"/v1..2/x"],
)  # fmt: skip
def test_a_path_without_dot_segments_passes(path: bytes) -> None:
    check_path(path)
    assert not has_dot_segments(path)


@pytest.mark.parametrize("target", [b"/v1/../admin?q", b"http://ok.test/v1/%2e%2e/admin", b"http://ok.test/.."])
def test_a_request_with_dot_segments_is_refused(target: bytes) -> None:
    with pytest.raises(BadRequest, match="path contains dot segments"):
        checked(head(target))


def test_dots_in_a_query_are_nobodys_segments() -> None:
    assert checked(head(b"/x?../..")).raw_query == b"../.."


@pytest.mark.parametrize(
    "target", [b"/download/storage/v1/b/bkt/o/dir%2Fsub%2Ffile.gz?alt=media", b"/x?", b"/%761/x", b"/caf\xc3\xa9"]
)
def test_a_target_arrives_unchanged(target: bytes) -> None:  # POL-22
    assert checked(head(target)).raw_target == target


# --- the rest of the request ----------------------------------------------------------------------------------------


async def test_the_body_streams_from_the_connection_with_its_length() -> None:
    sized = checked(head(method=b"POST", fields=b"Content-Length: 5\r\n"))
    chunked = checked(head(method=b"POST", fields=b"Transfer-Encoding: chunked\r\n"))

    assert (sized.body.length, chunked.body.length) == (5, None)
    assert await sized.body.read() == b"hello"
    assert checked(head()).body.is_empty


def test_fields_come_without_those_of_the_connection() -> None:
    request = checked(head(fields=b"X-a: 1\r\nConnection: X-b\r\nX-b: 2\r\nTE: trailers\r\nx-A: 3\r\n"))

    assert request.headers.pairs == [(b"X-a", b"1"), (b"x-A", b"3")]
    assert request.accepts_trailers
    assert not checked(head()).accepts_trailers


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        (b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n", b"websocket"),
        (b"Upgrade: websocket\r\n", None),
        (b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n", None),
        (b"Upgrade: websocket, h2c\r\nConnection: upgrade\r\n", b"websocket"),
        (b"Upgrade: tcp\r\nConnection: upgrade\r\n", b"tcp"),
        (b"Connection: upgrade\r\n", None),
    ],
    ids=["WebSocket", "not in Connection", "h2c", "beside h2c", "another", "nothing named"],
)
def test_an_upgrade_is_what_the_connection_field_names_and_never_h2c(fields: bytes, upgrade: bytes | None) -> None:
    assert checked(head(fields=fields)).upgrade == upgrade


# --- what the audit record says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (head(b"/a%2fb?q", b"Ok.test:80"), ("Ok.test:80", "GET", "/a/b")),
        (head(b"/v1/../x", b"ok.test"), ("ok.test", "GET", "/v1/../x")),
        (head(b"/%ff", b"caf\xe9", method=b"POST"), ("caf\ufffd", "POST", "/\ufffd")),
        (head(b"/", None), ("", "GET", "/")),
        (head(b"/%0d%0a", b"a", b"Host: b\r\n"), ("a", "GET", "/\r\n")),
    ],
)
def test_a_refused_head_is_described_as_it_was_sent(refused: RequestHead, expected: tuple[str, str, str]) -> None:
    assert described(refused) == expected


# --- a head that is given again -------------------------------------------------------------------------------------


def test_each_request_of_one_head_is_its_own() -> None:
    again = head(b"/a%20b?q=1", fields=b"X: 1\r\nTE: trailers\r\nConnection: te\r\n")
    first = checked(again)

    first.set_raw_path(b"/changed")
    first.raw_query, first.target, first.accepts_trailers = None, Target("other.test", 1), False
    second = checked(again)

    assert (second.target, second.raw_path, second.path) == (Target("ok.test", 80), b"/a%20b", "/a b")
    assert (second.raw_query, second.accepts_trailers) == (b"q=1", True)
    assert second.body is not first.body


def test_a_head_is_refused_as_often_as_it_comes() -> None:
    again = head(b"/a/../b")

    for _ in range(2):
        with pytest.raises(BadRequest, match="dot segments"):
            checked(again)
