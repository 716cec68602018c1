import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target, parse_host, parse_target

LONGEST_LABEL = b"a" * 63
LONGEST_NAME = b".".join([LONGEST_LABEL] * 3 + [b"b" * 61])


@pytest.mark.parametrize(
    ("authority", "target"),
    [
        (b"ok.test", Target("ok.test", 80)),
        (b"ok.test:8080", Target("ok.test", 8080)),
        (b"OK.TeSt", Target("ok.test", 80)),
        (b"ok.test.", Target("ok.test", 80)),
        (b"OK.test.:443", Target("ok.test", 443)),
        (b"localhost", Target("localhost", 80)),
        (b"_dmarc.ok.test", Target("_dmarc.ok.test", 80)),
        (b"a-b.1x.test", Target("a-b.1x.test", 80)),
        (b"1.test", Target("1.test", 80)),
        (b"0x7f.test", Target("0x7f.test", 80)),
        (b"127.0.0.1.ok.test", Target("127.0.0.1.ok.test", 80)),
        (b"xn--pple-43d.test", Target("xn--pple-43d.test", 80)),
        (b"xn--a", Target("xn--a", 80)),
        (b"xn--" + b"a" * 59, Target("xn--" + "a" * 59, 80)),
        (LONGEST_NAME, Target(LONGEST_NAME.decode(), 80)),
        (LONGEST_NAME + b".", Target(LONGEST_NAME.decode(), 80)),
        (b"127.0.1.9", Target("127.0.1.9", 80, True)),
        (b"127.0.1.9:1", Target("127.0.1.9", 1, True)),
        (b"ok.test:65535", Target("ok.test", 65535)),
        (b"ok.test:00080", Target("ok.test", 80)),
        (b"[::1]", Target("::1", 80, True)),
        (b"[2001:DB8::0:1]:8443", Target("2001:db8::1", 8443, True)),
    ],
)
def test_an_authority_has_one_canonical_form(authority: bytes, target: Target) -> None:
    assert parse_target(authority, 80) == target


@pytest.mark.parametrize(
    "authority",
    [
        # POL-07: escapes and NUL belong to no name
        b"%61pi.wild.test", b"api%2ewild.test", b"other.test%00.wild.test", b"other.test\0.wild.test",
        # POL-09: a label beyond 63 octets
        b"xn--" + b"a" * 60, b"a" * 64 + b".test", LONGEST_NAME + b"c", b"a." * 127 + b"b",
        # POL-11: user information, and what ends an authority
        b"ok.test@other.test", b"other.test@ok.test", b"ok.test#.other.test", b"ok.test/other.test",
        b"ok.test?other.test", b"ok.test\\other.test", b"user:pw@ok.test", b"http://ok.test",
        # POL-14: numbers that a resolver would take for an address
        b"2130706697", b"0x7f000109", b"0177.0.1.9", b"127.0.265", b"127.0.1.009", b"127.0.1.9.", b"127.0.1.9 ",
        b"127.1", b"127.0.0.0x1", b"0x", b"a.0x7F", b"a.1", b"1.2.3.4.5", b"256.0.0.1", b"127.0.0.1.:80",
        b" 127.0.1.9", b"127.0.1.\xd9\xa1", b"127.0.0.\xef\xbc\x91",
        # ports
        b"ok.test:", b"ok.test:0", b"ok.test:65536", b"ok.test:+80", b"ok.test:8_0", b"ok.test: 80", b"ok.test:80 ",
        b"ok.test:-1", b"ok.test:0x50", b"ok.test:000080", b"ok.test:http", b"ok.test:80:80", b"ok.test:\xd9\xa8",
        # IPv6
        b"::1", b"[::1", b"::1]", b"[::1]x", b"[::1]:", b"[::1]80", b"[]", b"[", b"[ok.test]", b"[127.0.0.1]",
        b"[fe80::1%eth0]", b"[fe80::1%25eth0]", b"[::1/64]", b"[::1]]", b"[[::1]]", b"[:::1]", b"[1::2::3]",
        b"[::1\xd9\xa1]",
        # what is no name at all
        b"", b".", b"..", b".ok.test", b"ok..test", b"ok.test..", b"-ok.test", b"ok-.test", b"ok.-test", b"o k.test",
        b"ok.test,other.test", b"ok.test\n", b"ok.test\r\nX: y", b"\tok.test", b"*.test", b"ok\xe3\x80\x82test",
        b"\xef\xbd\x8f\xef\xbd\x8b.test", b"\xe2\x84\xaa.test", b"caf\xc3\xa9.test", b":80", b"ok.test\x7f",
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused(authority: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_target(authority, 80)

    assert caught.value.status == 400


def test_without_a_port_and_without_a_default_there_is_no_target() -> None:
    with pytest.raises(BadRequest, match="no port"):
        parse_target(b"ok.test", None)

    assert parse_target(b"ok.test:443", None) == Target("ok.test", 443)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"OK.test.", ("ok.test", False)),
        (b"127.0.0.1", ("127.0.0.1", True)),
        (b"[0::1]", ("::1", True)),
    ],
)
def test_a_bare_host_is_read_by_the_same_rules(host: bytes, expected: tuple[str, bool]) -> None:
    assert parse_host(host) == expected


@pytest.mark.parametrize("host", [b"ok.test:80", b"::1", b"", b"0x7f.1", b"[", b"[::1]:80"])
def test_a_bare_host_has_no_port_and_no_second_spelling(host: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_host(host)


@pytest.mark.parametrize(
    ("target", "scheme", "header"),
    [
        (Target("ok.test", 80), "http", b"ok.test"),
        (Target("ok.test", 443), "https", b"ok.test"),
        (Target("ok.test", 443), "http", b"ok.test:443"),
        (Target("ok.test", 8443), "https", b"ok.test:8443"),
        (Target("::1", 80, True), "http", b"[::1]"),
        (Target("::1", 81, True), "http", b"[::1]:81"),
    ],
)
def test_the_host_header_leaves_out_the_schemes_own_port(target: Target, scheme: str, header: bytes) -> None:
    assert target.host_header(scheme) == header


@pytest.mark.parametrize(
    ("target", "scheme", "text"),
    [
        (Target("ok.test", 80), "http", "ok.test"),
        (Target("ok.test", 443), "https", "ok.test"),
        (Target("ok.test", 443), "http", "ok.test:443"),
        (Target("::1", 80, True), "http", "[::1]"),
        (Target("::1", 8080, True), "http", "[::1]:8080"),
    ],
)
def test_a_host_in_text_names_its_port_only_where_it_is_not_the_schemes_own(
    target: Target, scheme: str, text: str
) -> None:
    assert target.host_text(scheme) == text


LABEL = st.from_regex(r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,20}[a-zA-Z0-9_])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(lambda address: f"[{address}]")
PORT = st.integers(0, 70000).map(str) | st.just("")


@pytest.mark.slow
@given(host=NAME | IPV4 | IPV6, port=PORT, dot=st.sampled_from(["", "."]))
def test_the_text_of_a_target_parses_to_the_same_target(host: str, port: str, dot: str) -> None:
    try:
        target = parse_target(f"{host}{dot}:{port}".encode(), None)
    except BadRequest:
        return

    assert parse_target(str(target).encode(), None) == target
    assert parse_target(target.host_header("https"), 443) == target


@given(st.binary(max_size=40))
def test_any_bytes_are_a_target_or_a_bad_request(authority: bytes) -> None:
    try:
        target = parse_target(authority, 80)
    except BadRequest:
        return

    assert parse_target(str(target).encode(), None) == target
