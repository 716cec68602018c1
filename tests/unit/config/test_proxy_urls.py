"""An outbound proxy's URL is understood whole or stops the start; its password is never shown."""

import copy
import pickle

import pytest

from iron_proxy.config.proxy_urls import NoProxy, ProxyAddress, ProxyCredentials, parse_proxy_url, plain_address
from iron_proxy.messages.authority import Target

CANARY = "hunter2canary"


@pytest.mark.parametrize(
    ("text", "scheme", "target"),
    [
        ("http://proxy.corp:3128", "http", Target("proxy.corp", 3128)),
        ("proxy.corp:3128", "http", Target("proxy.corp", 3128)),
        ("proxy.corp", "http", Target("proxy.corp", 80)),
        ("http://proxy.corp", "http", Target("proxy.corp", 80)),
        ("https://proxy.corp", "https", Target("proxy.corp", 443)),
        ("socks5://proxy.corp", "socks5", Target("proxy.corp", 1080)),
        ("socks5h://proxy.corp:9050", "socks5h", Target("proxy.corp", 9050)),
        ("HTTP://Proxy.Corp.:3128/", "http", Target("proxy.corp", 3128)),
        ("10.0.0.1:3128", "http", Target("10.0.0.1", 3128, True)),
        ("http://[2001:DB8::1]:3128", "http", Target("2001:db8::1", 3128, True)),
        ("[::1]:3128", "http", Target("::1", 3128, True)),
    ],
)
def test_a_proxy_is_read_with_the_ports_of_its_scheme(text: str, scheme: str, target: Target) -> None:
    proxy = parse_proxy_url(text)

    assert proxy == ProxyAddress(scheme, target, None)
    assert str(proxy) == f"{scheme}://{target}"
    assert proxy.is_socks == scheme.startswith("socks")


@pytest.mark.parametrize(
    ("userinfo", "fields"),
    [
        ("user:pass", (b"user", b"pass")),
        ("user", (b"user", b"")),
        ("user:", (b"user", b"")),
        ("user:a:b", (b"user", b"a:b")),
        ("us%40er:p%2Fss%25", (b"us@er", b"p/ss%")),
        ("user:p@ss", (b"user", b"p@ss")),
        ("us\u00e9r:\u00fc", ("us\u00e9r".encode(), "\u00fc".encode())),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_credentials_are_percent_decoded(scheme: str, userinfo: str, fields: tuple[bytes, bytes]) -> None:
    proxy = parse_proxy_url(f"{scheme}://{userinfo}@proxy.corp:3128")

    assert proxy.target == Target("proxy.corp", 3128)
    assert proxy.credentials is not None
    assert proxy.credentials.socks_fields() == fields


def test_credentials_without_a_scheme_are_read_too() -> None:
    credentials = parse_proxy_url("Aladdin:open%20sesame@proxy.corp:3128").credentials

    assert credentials is not None
    assert credentials.basic() == b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 section 2


def test_over_http_the_user_may_be_empty() -> None:
    credentials = parse_proxy_url("http://:token@proxy.corp").credentials

    assert credentials is not None
    assert credentials.socks_fields() == (b"", b"token")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("http//bad url", "spaces"),                                        # SSRF-14
        ("::garbage", "no valid host"),
        ("http//bad", "a path"),
        ("http:/proxy", "a path"),
        ("http://", "no valid host"),
        ("http://:3128", "no valid host"),
        ("http://proxy:0", "no valid host"),
        ("http://proxy:99999", "no valid host"),
        ("http://proxy:1_0", "no valid host"),
        ("http://proxy:٣", "no valid host"),
        ("http://prox\u00fd:1", "no valid host"),
        ("http://0x7f.1:1", "no valid host"),
        ("http://[fe80::1%25eth0]:1", "no valid host"),
        ("http://proxy/path", "a path"),
        ("http://proxy?query", "a path"),
        ("http://proxy#fragment", "a path"),
        ("ftp://proxy", "scheme"),
        ("socks4://proxy", "scheme"),
        ("soc\u212as5://proxy", "path"),
        ("http://proxy\r\n", "control"),
        (f"http://user:{CANARY}/x@proxy", "percent-encoded"),
        (f"http://user:{CANARY}%zz@proxy", "%25"),
        (f"http://user:{CANARY}%0d%0a@proxy", "control"),
        (f"http://us%3Aer:{CANARY}@proxy", "colon"),
        (f"http://user:{CANARY}@", "no valid host"),
        (f"http://user:{CANARY}@bad host", "spaces"),
        (f"{CANARY}://user:x@proxy", "scheme"),
        ("socks5://:secret@proxy", "1 to 255"),
        (f"socks5://{'u' * 256}:secret@proxy", "1 to 255"),
        (f"socks5://user:{'p' * 256}@proxy", "1 to 255"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_understood_is_refused_without_being_quoted(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_proxy_url(text)

    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_credentials_do_not_print() -> None:
    proxy = parse_proxy_url(f"http://user:{CANARY}@proxy.corp:1")

    shown = f"{proxy} {proxy!r} {proxy.credentials} {proxy.credentials!r} {[proxy]}"

    assert CANARY not in shown
    assert "user" not in shown


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_credentials_are_not_pickled_or_copied(leak: object) -> None:
    assert callable(leak)

    with pytest.raises(TypeError):
        leak(ProxyCredentials(b"user", b"password"))


# --- no_proxy -------------------------------------------------------------------------------------------------------

COVERED = [
    ("*", "any.test", 80),
    ("*", "192.0.2.1", 80),
    ("*:443", "any.test", 443),
    ("example.com", "example.com", 80),
    ("example.com", "www.example.com", 80),
    ("example.com", "a.b.example.com", 80),
    ("Example.COM", "example.com", 80),
    ("example.com.", "example.com", 80),
    ("example.com:443", "example.com", 443),
    ("example.com.:443", "www.example.com", 443),
    (".example.com", "www.example.com", 80),
    (".example.com:80", "www.example.com", 80),
    ("*.example.com", "www.example.com", 80),
    ("a.test,b.test", "b.test", 80),
    (" a.test ,  b.test ", "b.test", 80),
    ("a.test b.test", "b.test", 80),
    (",a.test,,", "a.test", 80),
    ("intranet", "intranet", 80),
    ("xn--bcher-kva.test", "xn--bcher-kva.test", 80),
    ("192.0.2.1", "192.0.2.1", 80),
    ("192.0.2.1:80", "192.0.2.1", 80),
    ("10.0.0.0/8", "10.255.0.1", 80),
    ("10.1.2.3/8", "10.255.0.1", 80),
    ("10.0.0.0/8:443", "10.0.0.1", 443),
    ("0.0.0.0/0", "192.0.2.1", 80),
    ("10.0.0.0/8", "::ffff:10.0.0.1", 80),
    ("::ffff:10.0.0.0/104", "10.0.0.1", 80),
    ("2001:db8::1", "2001:db8::1", 80),
    ("2001:DB8:0::1", "2001:db8::1", 80),
    ("[2001:db8::1]", "2001:db8::1", 80),
    ("[2001:db8::1]:443", "2001:db8::1", 443),
    ("2001:db8::/32", "2001:db8:ffff::1", 80),
    ("[2001:db8::/32]", "2001:db8::1", 80),
    ("[2001:db8::/32]:80", "2001:db8::1", 80),
    ("fd00::1:443", "fd00::1:443", 80),
]
NOT_COVERED = [
    ("", "example.com", 80),
    ("*:443", "any.test", 80),
    ("example.com", "badexample.com", 80),
    ("example.com", "example.com.evil.test", 80),
    ("example.com", "example.co", 80),
    ("example.com:443", "example.com", 80),
    (".example.com", "example.com", 80),
    ("*.example.com", "example.com", 80),
    (".example.com:80", "www.example.com", 443),
    ("192.0.2.1", "192.0.2.10", 80),
    ("192.0.2.1:80", "192.0.2.1", 443),
    ("10.0.0.0/8", "11.0.0.1", 80),
    ("10.0.0.0/8:443", "10.0.0.1", 80),
    ("10.0.0.0/8", "ten.test", 80),
    ("0.0.0.0/0", "2001:db8::1", 80),
    ("0.0.0.0/0", "any.test", 80),
    ("2001:db8::/32", "2001:db9::1", 80),
    ("[2001:db8::1]:443", "2001:db8::1", 80),
    ("com", "192.0.2.1", 80),
]


@pytest.mark.parametrize(("text", "host", "port"), COVERED)
def test_what_no_proxy_covers(text: str, host: str, port: int) -> None:
    assert NoProxy.parse(text).covers(host, port)


@pytest.mark.parametrize(("text", "host", "port"), NOT_COVERED)
def test_what_no_proxy_does_not_cover(text: str, host: str, port: int) -> None:
    assert not NoProxy.parse(text).covers(host, port)


@pytest.mark.parametrize(
    "entry",
    [
        "169.254/16", "10.0.0.0/33", "10.*", "*example.com", "exa mple..com", "example.com/path",
        "example.com:0", "example.com:99999", "example.com:http", ":80", ".", "*.", "0x7f.1", "127.1", "010.0.0.1",
        ".10.0.0.1", "[::1", "::1]", "[10.0.0.0/8", "fe80::1%eth0", "fe80::%1/64", "b\u00fccher.test", "10.0.0.0/٨",
        "/8",
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_understood_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match="no_proxy") as caught:
        NoProxy.parse(f"ok.test,{entry}")

    assert entry.split()[-1] in str(caught.value)


@pytest.mark.parametrize("entry", ["http://example.com", "user@host", "http://alice:password@proxy.test"])
def test_one_that_may_hold_a_password_is_refused_by_its_number(entry: str) -> None:
    with pytest.raises(ValueError, match="entry 2 of no_proxy") as caught:
        NoProxy.parse(f"ok.test,{entry}")

    assert entry not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "text"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("a.test", None)],
)
def test_a_literal_address_is_read_in_its_plainest_form(host: str, text: str | None) -> None:
    address = plain_address(host)

    assert (str(address) if address is not None else None) == text
